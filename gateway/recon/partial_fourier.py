"""K-space that was measured on one side more than on the other: its far end from the near one, by a smooth phase.

The image is real but for a phase that a narrow band around the centre of k-space shows already; then k-space is
conjugate symmetric, and what is missing on one side stands on the other. Where the phase is not smooth (air beside
tissue in gradient echoes), that fails, and zeros do less harm: `explained` finds out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Literal

import torch
from torch import Tensor

from gateway.recon.fourier import fourier, inverse_fourier

AXES = (-3, -2, -1)
PROJECTIONS = 10
"""Of ``pocs``; more change an image by less than its noise."""
FEWEST = 4
"""Points on the short side that can tell a phase."""
UNEVEN = 0.9
"""K-space is partial where the short side is less than this part of the long one."""

Completion = Literal["homodyne", "pocs"]


@dataclass(frozen=True, slots=True)
class Side:
    """What was measured along an axis of ``n`` points: from ``first`` to ``last``, k-space's centre at ``n // 2``."""

    first: int
    last: int
    n: int

    @property
    def band(self) -> int:
        """Points on either side of the centre that both sides have."""
        return min(self._before, self._after)

    @property
    def partial(self) -> bool:
        """Whether one side misses what the other has."""
        return self.band < UNEVEN * max(self._before, self._after)

    @property
    def _before(self) -> int:
        return self.n // 2 - self.first

    @property
    def _after(self) -> int:
        return self.last - self.n // 2 + 1


Sides = Mapping[int, Side]
"""By axis, counted from the last: what was measured along those that are partial."""


def partial_sides(sides: Sequence[Side]) -> dict[int, Side]:
    """Pick the axes that can be completed, out of z, y and x."""
    by_axis = zip(AXES, sides, strict=True)
    return {axis: side for axis, side in by_axis if side.partial and side.band >= FEWEST}


def complete(kspace: Tensor, sides: Sides, how: Completion, *, axes: Sequence[int] = AXES) -> Tensor:
    """Fill what is missing on one side; points that neither side has stay zero.

    Parameters
    ----------
    kspace
        Of one coil or many, zero where nothing was measured. Shape `(... z y x)`.
    axes
        Which of these are k-space; the others are image already.

    Returns
    -------
        K-space. ``pocs`` leaves what was measured as it is (Haacke 1991, doi:10.1016/0022-2364(91)90253-P);
        ``homodyne`` weighs points so that each and its mirror image count 2 together, and keeps what has the phase of
        the band (Noll 1991, doi:10.1109/42.79473).
    """
    phase = torch.sgn(inverse_fourier(kspace * _product(sides, _window, kspace), axes))
    if how == "homodyne":
        known = _product(sides, _ramp, kspace)
        weights = known * (2 - _mirrored(known, sides))
        return fourier(_along(inverse_fourier(kspace * weights, axes), phase), axes)
    measured = _product(sides, _inside, kspace) > 0
    wanted = ~measured & _mirrored(measured, sides)
    found = kspace
    for _ in range(PROJECTIONS):
        found = torch.where(wanted, fourier(_along(inverse_fourier(found, axes), phase), axes), kspace)
    return found


def explained(kspace: Tensor, sides: Sides) -> float:
    """Hold out the outer half of the band's short side, predict it, and say what share of its power that explains.

    Parameters
    ----------
    kspace
        Without gaps within the band of each axis. Shape `(coil z y x)`.
    """
    narrow = {axis: _within_band(side) for axis, side in sides.items()}
    kept = _product(narrow, _inside, kspace)
    held_out = _mirrored(kept, narrow) * (1 - kept)
    missed = (complete(kspace * kept, narrow, "pocs") - kspace) * held_out
    power = float((kspace * held_out).abs().square().sum())
    return 1 - float(missed.abs().square().sum()) / power if power else 0.0


def _band(side: Side) -> Side:
    """Narrow a side to what both ends have."""
    return Side(side.n // 2 - side.band, side.n // 2 + side.band - 1, side.n)


def _within_band(side: Side) -> Side:
    """Leave the outer half of the band out, at the end that is short."""
    whole, half = _band(side), side.band // 2
    if side.first > side.n - 1 - side.last:
        return Side(whole.first + half, whole.last, side.n)
    return Side(whole.first, whole.last - half, side.n)


def _along(image: Tensor, phase: Tensor) -> Tensor:
    """Project an image on a phase, given as numbers of magnitude 1."""
    return (image * phase.conj()).real * phase


def _mirrored(values: Tensor, sides: Sides) -> Tensor:
    """Turn a tensor about the centre of k-space; on an even axis the first point is its own mirror image."""
    for axis in sides:
        n = values.shape[axis]
        if n > 1:
            values = values.index_select(axis, (2 * (n // 2) - torch.arange(n, device=values.device)) % n)
    return values


def _product(sides: Sides, weight: Callable[[Side], Tensor], like: Tensor) -> Tensor:
    """Multiply weights along the axes. Shape of the last three axes, each 1 long where nothing depends on it."""
    weights = [weight(side).reshape([-1] + [1] * (-1 - axis)) for axis, side in sides.items()]
    return reduce(torch.mul, weights, torch.ones(1, 1, 1)).to(like.device)


def _from_centre(side: Side) -> Tensor:
    return torch.arange(side.n) - side.n // 2


def _inside(side: Side) -> Tensor:
    """One where something was measured, zero elsewhere."""
    at = torch.arange(side.n)
    return ((at >= side.first) & (at <= side.last)).float()


def _window(side: Side) -> Tensor:
    """Fall from one at the centre to zero at the end of the band, so that the phase does not ring (Hann)."""
    return torch.cos(math.pi / 2 * (_from_centre(side) / side.band).clamp(-1, 1)).square()


def _ramp(side: Side) -> Tensor:
    """Rise from zero at the short end to one at the centre."""
    outward = -_from_centre(side) if side.first > side.n - 1 - side.last else _from_centre(side)
    return (1 - outward / side.band).clamp(0, 1) * _inside(side)
