"""The eight ways to lay a plane: mirrored or not along both directions, and these exchanged or not.

What is likely does not depend on up and left, but what a network learned of it does a little. Asked in another way at
each step, what it gets wrong differs from step to step and does not add up (Terris 2024, arXiv:2312.01831).
"""

from __future__ import annotations

from torch import Tensor


def laid(image: Tensor, way: int) -> Tensor:
    """Lay a plane `(... x y)` in one of the ways, counted on and on."""
    mirrored = image.flip(_mirrored(way))
    return mirrored.transpose(-1, -2) if _exchanged(way) else mirrored


def laid_back(image: Tensor, way: int) -> Tensor:
    """Undo it."""
    exchanged = image.transpose(-1, -2) if _exchanged(way) else image
    return exchanged.flip(_mirrored(way))


def _mirrored(way: int) -> list[int]:
    return [axis for axis, bit in ((-1, 1), (-2, 2)) if way & bit]


def _exchanged(way: int) -> bool:
    return bool(way & 4)
