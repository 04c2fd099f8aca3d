"""From float images to the integers of a DICOM series: one scale and one window for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from gateway.dicom.kinds import KINDS, KindRow
from gateway.model.errors import ImageRefused
from gateway.model.image import MAY_BE_EVEN, ImageKind, Pixels

Integers: TypeAlias = npt.NDArray[np.uint16] | npt.NDArray[np.int16]

DARKEST_PERCENT, BRIGHTEST_PERCENT = 1.0, 99.5
"""The window leaves so many pixels black, and so many of the object not white."""

_HALF_A_TURN_RAD = 3.1416


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPixels:
    """A series as integers.

    Parameters
    ----------
    values
        uint16 for what is never negative, int16 for the rest. Shape `(frame y x)`.
    bits_stored
        Highest bit that can be set, plus one.
    window_center, window_width
        In stored values (PS3.3 C.11.2.1.2): shows the object, in all images alike.
    slope
        What a step of one is worth, in the unit of the kind.
    """

    values: Integers
    bits_stored: int
    window_center: float
    window_width: float
    slope: float

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
    _refuse_what_is_no_image(pixels, kind)
    row = KINDS[kind]
    lowest, highest = float(pixels.min()), float(pixels.max())
    if not row.signed and lowest < 0:
        raise ImageRefused(f"a {kind} image has {np.count_nonzero(pixels < 0)} negative pixels")
    steps = _steps(max(highest, -lowest), row)
    stored: Integers = np.empty(pixels.shape, np.int16) if row.signed else np.empty(pixels.shape, np.uint16)
    for integers, real in zip(stored, pixels, strict=True):  # one by one: a whole series in float64 is gigabytes
        integers[...] = np.rint(real.astype(np.float64) * steps)
    low, high = _phase_window(steps) if kind is ImageKind.PHASE else _window(stored, row)
    return StoredPixels(
        values=stored,
        bits_stored=row.bits,
        window_center=round(float(low + high + 1) / 2, 1),
        window_width=round(float(high - low + 1), 1),
        slope=1 / steps,
    )


def _refuse_what_is_no_image(pixels: Pixels, kind: ImageKind) -> None:
    if not pixels.size:
        raise ImageRefused("the series has no pixels")
    if np.iscomplexobj(pixels):
        raise ImageRefused("DICOM has no complex pixels: their parts are stored")
    lowest, highest = pixels.min(), pixels.max()
    if not np.isfinite((lowest, highest)).all():
        raise ImageRefused(f"{np.count_nonzero(~np.isfinite(pixels))} of {pixels.size} pixels are not finite")
    if lowest == highest and not (kind in MAY_BE_EVEN and highest > 0):
        raise ImageRefused(f"all {pixels.size} pixels have the same value, {lowest}")


def _steps(largest: float, row: KindRow) -> float:
    """Choose how many integers one unit is: those of the kind, or a power of ten fewer for what would not fit."""
    room = float(2 ** (row.bits - row.signed) - 1)
    if row.unit is None:
        return room / largest
    steps = float(row.unit.steps)
    while np.rint(largest * steps) > room:
        steps /= 10
    return steps


def _phase_window(steps: float) -> tuple[int, int]:
    """Show the whole circle, whatever part of it the object fills."""
    half = round(_HALF_A_TURN_RAD * steps)
    return -half, half


def _window(stored: Integers, row: KindRow) -> tuple[int, int]:
    """Choose the darkest and the brightest value that the window tells apart, by counting how often each occurs.

    The object is what lies above the mean of an image in arbitrary units, where air is dark, and what is not zero in a
    map, where nothing was measured is zero. What has a sign is shown around zero.
    """
    lowest, highest = int(stored.min()), int(stored.max())
    counts = np.zeros(highest - lowest + 1, dtype=np.int64)
    for image in stored:
        counts += np.bincount(image.ravel().astype(np.intp) - lowest, minlength=len(counts))
    values = np.arange(lowest, highest + 1)
    if row.signed:
        _, high = _percentiles(np.bincount(np.abs(values), counts), first=1)
        return -high, high
    if row.unit is not None or row.derived:
        low, high = _percentiles(counts, first=max(1 - lowest, 0))
        return low + lowest, high + lowest
    low, _ = _percentiles(counts, first=0)
    _, high = _percentiles(counts, first=int(np.average(values, weights=counts)) + 1 - lowest)
    return low + lowest, high + lowest


def _percentiles(counts: npt.NDArray[Any], *, first: int) -> tuple[int, int]:
    """Find the values that so many percent of those from ``first`` on do not exceed."""
    n_up_to = counts[first:].cumsum()
    if not n_up_to.any():
        return 0, 0
    darkest, brightest = (
        first + int(np.searchsorted(n_up_to, percent / 100 * n_up_to[-1]))
        for percent in (DARKEST_PERCENT, BRIGHTEST_PERCENT)
    )
    return darkest, brightest
