"""Reconstructed images and where they lie in the patient, in MRD's own geometry."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from gateway.model.zyx import Zyx

Vector: TypeAlias = tuple[float, float, float]
"""In the patient: x to the left, y to the back, z to the head (LPS), in mm or without unit."""


class ImageKind(StrEnum):
    """Which part of the complex image the pixels are; the value is DICOM's Image Type value 4."""

    MAGNITUDE = "M"
    PHASE = "P"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One image of a series: its place, and which one of the series it is.

    ``position_mm`` is the centre of pixel ``[ny // 2, nx // 2]``: there an FFT puts what lay at the MRD position.
    ``read_dir`` is the direction of growing x, ``phase_dir`` that of growing y.
    """

    position_mm: Vector
    read_dir: Vector
    phase_dir: Vector
    slice_dir: Vector
    slice: int = 0
    contrast: int = 0
    phase: int = 0
    repetition: int = 0
    set: int = 0
    acquisition_time_stamp: int = 0
    """Ticks of the scanner's clock at the first readout; 0 where it has none."""
    physiology_time_stamp: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSeries:
    """Images that belong together: one kind, one matrix, one scale.

    Parameters
    ----------
    pixels
        float32; magnitude in arbitrary units, phase in radians. Shape `(frame y x)`.
    frames
        One for each image, in the order of ``pixels``.
    spacing_mm
        Distance of pixel centres in y and x; in z the slice thickness.
    """

    pixels: npt.NDArray[np.float32]
    frames: tuple[Frame, ...]
    spacing_mm: Zyx[float]
    kind: ImageKind = ImageKind.MAGNITUDE
    three_dimensional: bool = False
    n_coils: int = 0
    n_lines: int = 0
    """Distinct phase-encoding lines that were measured."""
    encoded_lines: int = 0
    dwell_time_us: float = 0.0
    readout_samples: int = 0
    """Samples of a readout over the oversampled field of view."""
    notes: tuple[str, ...] = field(default=())
    """What the reader of the series should know, one sentence each."""
