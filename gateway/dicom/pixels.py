"""From float images to the integers of a DICOM series: one scale and one window for all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from gateway.model.errors import ImageRefused
from gateway.model.image import MAY_BE_EVEN, ImageKind, Pixels

MAGNITUDE_BITS = 12
"""Twelve bits stored in sixteen: what every viewer takes."""

PHASE_UNITS_PER_RADIAN = 1000
"""Phase is stored in mrad, so that a reader who ignores units still reads a number that means something."""

WINDOW_PERCENTILES = (1.0, 99.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPixels:
    """A series as integers.

    Parameters
    ----------
    values
        uint16 for what is never negative, int16 for phase and parts of complex images. Shape `(frame y x)`.
    bits_stored
        Highest bit that can be set, plus one.
    window_center, window_width
        In stored values (PS3.3 C.11.2.1.2): shows the 1st to the 99.5th percentile of the whole series.
    """

    values: npt.NDArray[np.uint16] | npt.NDArray[np.int16]
    bits_stored: int
    window_center: float
    window_width: float

    @property
    def signed(self) -> bool:
        """Whether Pixel Representation is 1."""
        return bool(self.values.dtype == np.int16)


def store_pixels(pixels: Pixels, kind: ImageKind) -> StoredPixels:
    """Scale a whole series, so that values compare between its images; nothing is clipped.

    Parameters
    ----------
    pixels
        Real, as `ImageKind` says. Shape `(frame y x)`.

    Raises
    ------
    ImageRefused
        Pixels are not finite, all equal, or cannot be what ``kind`` says.
    """
    if not pixels.size:
        raise ImageRefused("the series has no pixels")
    if not np.isfinite(pixels).all():
        raise ImageRefused(f"{np.count_nonzero(~np.isfinite(pixels))} of {pixels.size} pixels are not finite")
    if pixels.min() == pixels.max() and not (kind in MAY_BE_EVEN and pixels.max() > 0):
        raise ImageRefused(f"all {pixels.size} pixels have the same value, {pixels.flat[0]}")
    if np.iscomplexobj(pixels):
        raise ImageRefused("DICOM has no complex pixels: their parts are stored")
    real = pixels.astype(np.float32, copy=False)
    stored = SCALINGS.get(kind, _magnitude)(real)
    low, high = _percentiles(stored)
    return StoredPixels(
        values=stored,
        bits_stored=16 if kind in SCALINGS else MAGNITUDE_BITS,
        window_center=round(float(low + high + 1) / 2, 1),
        window_width=round(float(high - low + 1), 1),
    )


def _percentiles(stored: npt.NDArray[np.uint16] | npt.NDArray[np.int16]) -> tuple[int, int]:
    """Find the values that so many percent do not exceed, by counting: a series has far more pixels than values."""
    lowest = int(stored.min())
    n_up_to = np.bincount(stored.ravel().astype(np.int64) - lowest).cumsum()
    low, high = (int(np.searchsorted(n_up_to, percent / 100 * stored.size)) for percent in WINDOW_PERCENTILES)
    return low + lowest, high + lowest


def _magnitude(pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    if pixels.min() < 0:
        raise ImageRefused(f"a magnitude image has {np.count_nonzero(pixels < 0)} negative pixels")
    largest = 2**MAGNITUDE_BITS - 1
    relative = pixels.astype(np.float64) / float(pixels.max())
    stored: npt.NDArray[np.uint16] = np.rint(relative * largest).astype(np.uint16)
    return stored


def _phase(pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.int16]:
    stored = np.rint(pixels.astype(np.float64) * PHASE_UNITS_PER_RADIAN)
    if np.abs(stored).max() > np.iinfo(np.int16).max:
        raise ImageRefused(f"a phase of {np.abs(pixels).max()} rad does not fit 16 bits in mrad")
    return stored.astype(np.int16)


def _signed(pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.int16]:
    relative = pixels.astype(np.float64) / float(np.abs(pixels).max())
    return np.rint(relative * np.iinfo(np.int16).max).astype(np.int16)


SCALINGS: Mapping[ImageKind, Callable[[npt.NDArray[np.float32]], npt.NDArray[np.int16]]] = MappingProxyType(
    {ImageKind.PHASE: _phase, ImageKind.REAL: _signed, ImageKind.IMAGINARY: _signed}
)
"""What has a sign; all else is stored as a magnitude is."""
