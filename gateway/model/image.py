"""Reconstructed images and where they lie in the patient, in MRD's own geometry."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from gateway.model.learned import LearnedModel
from gateway.model.zyx import Zyx

Vector: TypeAlias = tuple[float, float, float]
"""In the patient: x to the left, y to the back, z to the head (LPS), in mm or without unit."""

Pixels: TypeAlias = npt.NDArray[Any]
"""float32; complex64 where the kind is complex."""


class ImageKind(StrEnum):
    """What the pixels of a series are; recipes call it by its value (``output = ["magnitude", "snr"]``)."""

    MAGNITUDE = "magnitude"
    """Arbitrary units."""
    PHASE = "phase"
    """Radians."""
    REAL = "real"
    """Signed, in the units of the magnitude."""
    IMAGINARY = "imaginary"
    """Signed, in the units of the magnitude."""
    COMPLEX = "complex"
    """complex64; `ImageSeries.parts` splits it for those who only know real pixels, such as DICOM."""
    SNR = "snr"
    """Magnitude over the standard deviation of its noise (Kellman 2005, doi:10.1002/mrm.20713)."""
    NOISE = "noise"
    """Standard deviation of the noise of the magnitude where there is signal, in the units of the magnitude."""
    G_FACTOR = "g-factor"
    """Noise over that of a scan of every line, beyond the root of how many fewer were measured (Pruessmann 1999)."""
    UNCERTAINTY = "uncertainty"
    """How far the magnitude may be from the truth, one standard deviation, in the units of the magnitude."""
    T1 = "t1"
    """Milliseconds."""
    T2 = "t2"
    """Milliseconds."""
    T2_STAR = "t2-star"
    """Milliseconds."""
    ADC = "adc"
    """Square micrometres per second, that is 1e-6 mm2/s."""
    FAT_FRACTION = "fat-fraction"
    """Percent of the protons."""
    VELOCITY = "velocity"
    """Signed, millimetres per second."""
    FIELD = "field"
    """Signed, hertz off the resonance."""


MAY_BE_EVEN = frozenset({ImageKind.NOISE, ImageKind.G_FACTOR, ImageKind.UNCERTAINTY})
"""Maps that are rightly the same everywhere, as in a scan of every line; of an image that is a fault."""


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
        float32, complex64 where ``kind`` is complex; the kind says in which unit. Shape `(frame y x)`.
    frames
        One for each image, in the order of ``pixels``.
    spacing_mm
        Distance of pixel centres in y and x; in z the slice thickness.
    """

    pixels: Pixels
    frames: tuple[Frame, ...]
    spacing_mm: Zyx[float]
    kind: ImageKind = ImageKind.MAGNITUDE
    three_dimensional: bool = False
    encoding: int = 0
    """Which of the header's encodings was imaged."""
    n_coils: int = 0
    n_lines: int = 0
    """Distinct phase-encoding lines that were measured."""
    encoded_lines: int = 0
    dwell_time_us: float = 0.0
    readout_samples: int = 0
    """Samples of a readout over the oversampled field of view."""
    notes: tuple[str, ...] = field(default=())
    """What the reader of the series should know, one sentence each."""
    model: LearnedModel | None = None
    """The network that took part; a conventional reconstruction has none."""
    whitened_by: str = ""
    """Digest of the earlier noise measurement that made its coils white; empty where the scan brought its own, or none
    was at hand. What the recording does not hold is part of what the images are."""
    guided_by: str = ""
    """Digest of the scan that guided the method; empty where none did. It is part of what the images are, too."""

    def parts(self) -> tuple[ImageSeries, ...]:
        """Split complex pixels into real and imaginary part; any other series is its own only part."""
        if self.kind is not ImageKind.COMPLEX:
            return (self,)
        return (
            replace(self, pixels=np.ascontiguousarray(self.pixels.real), kind=ImageKind.REAL),
            replace(self, pixels=np.ascontiguousarray(self.pixels.imag), kind=ImageKind.IMAGINARY),
        )
