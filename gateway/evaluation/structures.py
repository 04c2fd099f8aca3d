"""Small structures that must survive: text, lesions and thin vessels, drawn where the patient is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.float64]
"""Shape `(y x)`."""

LETTERS = (
    ("#####", "..#..", "..#..", "..#..", "..#..", "..#..", "..#.."),
    ("#...#", "##..#", "#.#.#", "#..##", "#...#", "#...#", "#...#"),
)
"""Strokes one pixel wide, in which nothing of any anatomy is."""
LESION_PX = (0.8, 1.7)
"""Widths of small and larger lesions, standard deviations."""
VESSEL = (0.5, 9.0)
"""Width of a vessel and half of its length, in pixels."""
APART = 10
"""Pixels that are kept free around a structure."""


def _text() -> Image:
    rows = ["".join((*one, ".", *other)) for one, other in zip(*LETTERS, strict=True)]
    return np.array([[1.0 if mark == "#" else 0.0 for mark in row] for row in rows])


def _lesion(width_px: float) -> Image:
    at = np.arange(-6, 7)
    return np.asarray(np.exp(-(at[:, None] ** 2 + at[None, :] ** 2) / (2 * width_px**2)))


def _vessel() -> Image:
    width, half = VESSEL
    y, x = np.mgrid[-8:9, -8:9].astype(float)
    across, along = (y - 0.5 * x) / np.hypot(1, 0.5), (x + 0.5 * y) / np.hypot(1, 0.5)
    return np.asarray(np.exp(-(across**2) / (2 * width**2)) * (np.abs(along) <= half))


SHAPES: Mapping[str, Callable[[], Image]] = MappingProxyType(
    {
        "text": _text,
        "lesion, small": lambda: _lesion(LESION_PX[0]),
        "lesion": lambda: _lesion(LESION_PX[1]),
        "vessel": _vessel,
    }
)
"""By name; each of height 1."""


def placed(there: npt.NDArray[np.bool_], seed: int = 0) -> dict[str, Image]:
    """Lay each structure somewhere into the patient, apart from each other. Shape `(y x)` each; fewer without room."""
    random, free = np.random.default_rng(seed), there.copy()
    found = {}
    for name, draw in SHAPES.items():
        shape = draw()
        height, width = shape.shape
        room = _room(free, height, width)
        if not len(room):
            continue
        y, x = room[random.integers(len(room))]
        whole = np.zeros(there.shape)
        whole[y : y + height, x : x + width] = shape
        free[max(0, y - APART) : y + height + APART, max(0, x - APART) : x + width + APART] = False
        found[name] = whole
    return found


def _room(free: npt.NDArray[np.bool_], height: int, width: int) -> npt.NDArray[np.intp]:
    """List the corners at which a box lies within the patient. Shape `(place yx)`."""
    sums = np.pad(free.astype(np.int64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    inside = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    return np.argwhere(inside >= 0.98 * height * width)


def gain(change: Image, shape: Image) -> float:
    """Say how much of a structure of height 1 has come out: 1 is all of it, 0 nothing."""
    return float((change * shape).sum() / (shape * shape).sum())
