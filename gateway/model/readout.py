"""A readout as the scanner sent it: the MRD acquisition header, its flags, and the samples.

The dtype is the wire layout of ``ISMRMRD_AcquisitionHeader`` (ismrmrd.h, 340 bytes, little-endian, packed).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

ENCODING_COUNTERS = np.dtype(
    [
        ("kspace_encode_step_1", "<u2"),
        ("kspace_encode_step_2", "<u2"),
        ("average", "<u2"),
        ("slice", "<u2"),
        ("contrast", "<u2"),
        ("phase", "<u2"),
        ("repetition", "<u2"),
        ("set", "<u2"),
        ("segment", "<u2"),
        ("user", "<u2", (8,)),
    ]
)

ACQUISITION_HEADER = np.dtype(
    [
        ("version", "<u2"),
        ("flags", "<u8"),
        ("measurement_uid", "<u4"),
        ("scan_counter", "<u4"),
        ("acquisition_time_stamp", "<u4"),
        ("physiology_time_stamp", "<u4", (3,)),
        ("number_of_samples", "<u2"),
        ("available_channels", "<u2"),
        ("active_channels", "<u2"),
        ("channel_mask", "<u8", (16,)),
        ("discard_pre", "<u2"),
        ("discard_post", "<u2"),
        ("center_sample", "<u2"),
        ("encoding_space_ref", "<u2"),
        ("trajectory_dimensions", "<u2"),
        ("sample_time_us", "<f4"),
        ("position", "<f4", (3,)),
        ("read_dir", "<f4", (3,)),
        ("phase_dir", "<f4", (3,)),
        ("slice_dir", "<f4", (3,)),
        ("patient_table_position", "<f4", (3,)),
        ("idx", ENCODING_COUNTERS),
        ("user_int", "<i4", (8,)),
        ("user_float", "<f4", (8,)),
    ]
)


class Flag(IntEnum):
    """Acquisition flags (ismrmrd.h). They count from 1: the bit is ``1 << (flag - 1)``."""

    FIRST_IN_ENCODE_STEP1 = 1
    LAST_IN_ENCODE_STEP1 = 2
    FIRST_IN_SLICE = 7
    LAST_IN_SLICE = 8
    FIRST_IN_REPETITION = 13
    LAST_IN_REPETITION = 14
    IS_NOISE_MEASUREMENT = 19
    IS_PARALLEL_CALIBRATION = 20
    IS_PARALLEL_CALIBRATION_AND_IMAGING = 21
    IS_REVERSE = 22
    IS_NAVIGATION_DATA = 23
    IS_PHASECORR_DATA = 24
    LAST_IN_MEASUREMENT = 25
    IS_HPFEEDBACK_DATA = 26
    IS_DUMMYSCAN_DATA = 27
    IS_RTFEEDBACK_DATA = 28
    IS_SURFACECOILCORRECTIONSCAN_DATA = 29
    IS_PHASE_STABILIZATION_REFERENCE = 30
    IS_PHASE_STABILIZATION = 31
    COMPRESSION1 = 53
    COMPRESSION2 = 54

    @property
    def bit(self) -> int:
        """The flag as a mask."""
        return 1 << (self.value - 1)


def mask(*flags: Flag) -> np.uint64:
    """Join flags into one mask for ``heads["flags"]``."""
    return np.uint64(sum(flag.bit for flag in flags))


NOT_IMAGING = mask(
    Flag.IS_NOISE_MEASUREMENT,
    Flag.IS_PARALLEL_CALIBRATION,
    Flag.IS_NAVIGATION_DATA,
    Flag.IS_PHASECORR_DATA,
    Flag.IS_HPFEEDBACK_DATA,
    Flag.IS_DUMMYSCAN_DATA,
    Flag.IS_RTFEEDBACK_DATA,
    Flag.IS_SURFACECOILCORRECTIONSCAN_DATA,
    Flag.IS_PHASE_STABILIZATION_REFERENCE,
    Flag.IS_PHASE_STABILIZATION,
)
"""A readout with any of these is no line of the image's k-space."""


@dataclass(frozen=True, slots=True)
class Readouts:
    """Readouts of one shape, in the order they were acquired.

    Parameters
    ----------
    heads
        Structured, `ACQUISITION_HEADER`. Shape `(readout,)`.
    samples
        complex64, in arbitrary units of the receiver. Shape `(readout coil sample)`.
    trajectory
        float32, usually cycles per field of view; the last axis is empty for Cartesian scans.
        Shape `(readout sample dimension)`.
    conjugated
        Whether the signal is the conjugate of the samples. Recordings are mapped, not read, and are larger than any
        cache: whoever copies samples anyway conjugates the copy.
    """

    heads: npt.NDArray[Any]
    samples: npt.NDArray[np.complex64]
    trajectory: npt.NDArray[np.float32]
    conjugated: bool = False

    def __len__(self) -> int:
        return len(self.heads)

    def select(self, keep: npt.NDArray[np.bool_]) -> Readouts:
        """Keep those where ``keep`` is true."""
        heads, samples, trajectory = self.heads[keep], self.samples[keep], self.trajectory[keep]
        return replace(self, heads=heads, samples=samples, trajectory=trajectory)

    def flagged(self, flags: np.uint64) -> npt.NDArray[np.bool_]:
        """Say which readouts carry any of the flags. Shape `(readout,)`."""
        return np.asarray((self.heads["flags"] & flags) != 0)


Acquisition = Sequence[Readouts]
"""All readouts of a scan in acquisition order, split into runs of equal shape."""
