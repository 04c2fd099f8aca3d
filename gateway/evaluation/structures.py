"""Small structures that must survive: text, lesions and thin vessels, drawn where the patient is; balls in slabs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

Volume = npt.NDArray[np.float64]
"""Shape `(z y x)`, z of length 1 for slices."""

LETTERS = (
    ("#####", "..#..", "..#..", "..#..", "..#..", "..#..", "..#.."),
    ("#...#", "##..#", "#.#.#", "#..##", "#...#", "#...#", "#...#"),
)
"""Strokes one pixel wide, in which nothing of any anatomy is."""
LESION_PX = (0.8, 1.7)
"""Widths of small and larger lesions, standard deviations."""
VESSEL = (0.5, 9.0)
"""Width of a vessel and half of its length, in pixels."""
APART, PLANES_APART = 10, 2
"""Pixels and planes that are kept free around a structure."""
FILLED = 0.98
"""Part of a structure's box that lies within the patient."""
ACROSS = 3
"""Widths of a structure that a slab shows to either side of it, across its planes."""


def _text() -> Volume:
    """Draw letters in one plane."""
    rows = ["".join((*one, ".", *other)) for one, other in zip(*LETTERS, strict=True)]
    return np.array([[[1.0 if mark == "#" else 0.0 for mark in row] for row in rows]])


def _lesion(width_px: float, *, deep: bool) -> Volume:
    at = np.arange(-6, 7)
    flat = np.exp(-(at[:, None] ** 2 + at[None, :] ** 2) / (2 * width_px**2))
    return _across(width_px, deep=deep) * flat


def _vessel(*, deep: bool) -> Volume:
    """Draw a tube that runs obliquely within the planes."""
    width, half = VESSEL
    y, x = np.mgrid[-8:9, -8:9].astype(float)
    across, along = (y - 0.5 * x) / np.hypot(1, 0.5), (x + 0.5 * y) / np.hypot(1, 0.5)
    return np.asarray(_across(width, deep=deep) * (np.exp(-(across**2) / (2 * width**2)) * (np.abs(along) <= half)))


def _across(width_px: float, *, deep: bool) -> Volume:
    """Say how a structure fades across planes. Shape `(z 1 1)`."""
    reach = round(ACROSS * width_px) if deep else 0
    at = np.arange(-reach, reach + 1)[:, None, None]
    return np.asarray(np.exp(-(at**2) / (2 * width_px**2)))


SHAPES: Mapping[str, Callable[[bool], Volume]] = MappingProxyType(
    {
        "text": lambda _deep: _text(),
        "lesion, small": lambda deep: _lesion(LESION_PX[0], deep=deep),
        "lesion": lambda deep: _lesion(LESION_PX[1], deep=deep),
        "vessel": lambda deep: _vessel(deep=deep),
    }
)
"""By name; each of height 1, in planes or through them."""


def placed(there: npt.NDArray[np.bool_], seed: int = 0) -> dict[str, Volume]:
    """Lay each structure somewhere into the patient, apart from each other; fewer without room. All `(z y x)`."""
    random, free = np.random.default_rng(seed), there.copy()
    found = {}
    for name, draw in SHAPES.items():
        shape = draw(len(there) > 1)
        room = _room(free, shape.shape)
        if not len(room):
            continue
        corner = room[random.integers(len(room))]
        whole = np.zeros(there.shape)
        whole[_box(corner, shape.shape)] = shape
        free[_box(corner, shape.shape, apart=(PLANES_APART, APART, APART))] = False
        found[name] = whole
    return found


def _box(corner: npt.NDArray[np.intp], size: tuple[int, ...], apart: tuple[int, ...] = (0, 0, 0)) -> tuple[slice, ...]:
    return tuple(slice(max(0, at - by), at + n + by) for at, n, by in zip(corner, size, apart, strict=True))


def _room(free: npt.NDArray[np.bool_], size: tuple[int, ...]) -> npt.NDArray[np.intp]:
    """List the corners at which a box lies within the patient. Shape `(place zyx)`."""
    inside = np.pad(free.astype(np.int64), ((1, 0), (1, 0), (1, 0)))
    for axis, n in enumerate(size):
        if n > free.shape[axis]:
            return np.zeros((0, 3), np.intp)
        sums = np.moveaxis(inside.cumsum(axis), axis, 0)
        inside = np.moveaxis(sums[n:] - sums[:-n], 0, axis)
    return np.argwhere(inside >= FILLED * np.prod(size))


def gain(change: Volume, shape: Volume) -> float:
    """Say how much of a structure of height 1 has come out: 1 is all of it, 0 nothing."""
    return float((change * shape).sum() / (shape * shape).sum())
