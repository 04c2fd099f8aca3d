"""Plain sanity beside a conventional image: nothing is mirrored, and no copies of the patient are in the air."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[Any]
"""Magnitude. Shape `(y x)`."""

Mask = npt.NDArray[np.bool_]

AIR = 0.05
"""Of the brightest parts: darker pixels show nothing."""
FEWEST = 20
"""Pixels of air on which a copy would lie, below which nothing can be said."""

MOVES: tuple[Callable[[Image], Image], ...] = (np.fliplr, np.flipud, lambda image: image[::-1, ::-1], np.transpose)


def mirrored(image: Image, conventional: Image) -> float | None:
    """Say how much better an image fits the conventional one after it is mirrored or turned; below 1 it does not.

    None where one of the two is the same everywhere.
    """
    own = _likeness(image, conventional)
    if own is None:
        return None
    moved = [_likeness(each, conventional) for move in MOVES if (each := move(image)).shape == image.shape]
    best = max(like for like in moved if like is not None)
    return (1 + best) / max(1 + own, 1e-6)


def ghosting(image: Image) -> float | None:
    """Say how bright copies by half the field of view are along y in the air, over the air elsewhere; 0 without any.

    As NEMA MS 1 and the ACR's phantom test define it, with the patient itself as the region. None without enough air.
    """
    found = _regions(image)
    if found is None:
        return None
    patient, ghost, rest = found
    return max(0.0, float(image[ghost].mean() - image[rest].mean()) / float(image[patient].mean()))


def where_ghosts_lie(image: Image) -> Image:
    """Leave of an image the air in which its copies would lie; nothing where there is not enough of it."""
    found = _regions(image)
    return np.zeros_like(image) if found is None else np.where(found[1], image, 0)


def _regions(image: Image) -> tuple[Mask, Mask, Mask] | None:
    """Find the patient, the air in which copies of it would lie, and the air elsewhere."""
    top = float(np.quantile(image, 0.99))
    if top <= 0:
        return None
    patient = image > 4 * AIR * top
    copy = np.roll(patient, image.shape[0] // 2, axis=0)
    air = ~_grown(patient)
    ghost, rest = air & copy, air & ~copy
    return None if min(ghost.sum(), rest.sum()) < FEWEST else (patient, ghost, rest)


def _likeness(one: Image, other: Image) -> float | None:
    """Give the correlation."""
    if one.std() == 0 or other.std() == 0:
        return None
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def _grown(mask: Mask, by: int = 4) -> Mask:
    grown = mask.copy()
    for axis in (0, 1):
        for step in range(-by, by + 1):
            grown |= np.roll(mask, step, axis=axis)
        mask = grown.copy()
    return grown
