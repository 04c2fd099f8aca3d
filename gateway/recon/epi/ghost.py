"""The Nyquist ghost: lines read forward and backward differ by a phase, linear along the readout.

A gradient that lags behind its sampling shifts the two kinds of echo apart, which is a slope of the phase in the image;
eddy currents add a constant. Half of the difference is taken from each kind, so that the image stays where it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

ROUNDS = 3
"""Of weighted least squares after the first guess; two change nothing."""
GRID = 17
"""Points of the search along each axis, odd so that the middle is one."""
ZOOMS = 4
EMPTY = 1e-3
"""A position along the readout with so little of the strongest one's power tells nothing."""
LARGEST_SHIFT = 4.0
"""Samples by which forward and backward echoes may lie apart, where no navigators tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ghost:
    """By how much the phase of backward lines is ahead: ``offset + slope * x``, x from the centre. Shape `(...)` each.

    ``slope`` is in radians per pixel, ``offset`` in radians.
    """

    slope: Tensor
    offset: Tensor

    def phase(self, n_x: int) -> Tensor:
        """Evaluate it along the readout. Shape `(... x)`."""
        x = torch.arange(n_x) - n_x // 2
        return self.offset[..., None] + self.slope[..., None] * x


def from_navigators(navigators: Tensor, backward: list[bool]) -> Ghost:
    """Fit the difference between echoes without phase encoding.

    Each echo is held against the mean of its neighbours in time, in which the phase that grows with time cancels
    (Heid 2000, US patent 6043651: three navigators). Coils are summed, so each counts by its signal.

    Parameters
    ----------
    navigators
        Images of the readouts in the order of acquisition. Complex. Shape `(... navigator coil x)`.
    backward
        Which were read backward; both kinds are there.
    """
    products = []
    for middle in range(len(backward)):
        beside = [n for n in (middle - 1, middle + 1) if 0 <= n < len(backward) and backward[n] != backward[middle]]
        if len(beside) == 2 or (len(backward) == 2 and middle == 1):  # noqa: PLR2004 - both neighbours
            around = navigators[..., beside, :, :].sum(dim=-3)
            product = (navigators[..., middle, :, :] * around.conj()).sum(dim=-2)
            products.append(product if backward[middle] else product.conj())
    if not products:
        forth = navigators[..., [n for n, back in enumerate(backward) if not back], :, :].sum(dim=-3)
        back = navigators[..., [n for n, back in enumerate(backward) if back], :, :].sum(dim=-3)
        products = [(back * forth.conj()).sum(dim=-2)]
    return _fit(torch.stack(products).sum(dim=0))


def _fit(product: Tensor) -> Ghost:
    """Fit a line to the phase of a product, weighed by its size. Shape `(... x)`."""
    n_x = product.shape[-1]
    x = (torch.arange(n_x) - n_x // 2).double()
    product = product.to(torch.complex128)
    slope = (product[..., 1:] * product[..., :-1].conj()).sum(dim=-1).angle()
    offset = torch.zeros_like(slope)
    weight = product.abs()
    total = weight.sum(dim=-1).clamp_min(torch.finfo(torch.float64).tiny)
    centre = (weight * x).sum(dim=-1) / total
    from_centre = x - centre[..., None]
    spread = (weight * from_centre.square()).sum(dim=-1).clamp_min(torch.finfo(torch.float64).tiny)
    for _ in range(ROUNDS):
        expected = torch.polar(torch.ones_like(weight), offset[..., None] + slope[..., None] * x)
        rest = product * expected.conj()
        common = rest.sum(dim=-1).angle()
        residual = (rest * torch.polar(torch.ones_like(common), -common)[..., None]).angle()
        turn = (weight * from_centre * residual).sum(dim=-1) / spread
        mean = (weight * residual).sum(dim=-1) / total
        slope = slope + turn
        offset = offset + common + mean - turn * centre
    return Ghost(slope=slope, offset=torch.remainder(offset + math.pi, 2 * math.pi) - math.pi)


def from_entropy(forward: Tensor, backward: Tensor) -> Ghost:
    """Find the correction whose image has the least entropy, for a scan without navigators (Clare 2003, ISMRM 1041).

    A ghost spreads signal where none was. An offset half a turn away swaps image and ghost and has the same entropy, so
    that nearest to no correction is taken.

    Parameters
    ----------
    forward, backward
        Images of the lines of either kind alone. Complex. Shape `(coil y x)`.
    """
    alone = (forward.abs().square() + backward.abs().square()).sum(dim=0)
    joint = (forward * backward.conj()).sum(dim=0)
    n_x = forward.shape[-1]
    slope, offset = torch.zeros(()), torch.zeros(())
    reach_slope, reach_offset = 2 * math.pi * LARGEST_SHIFT / n_x, math.pi / 2
    seen = alone.sum(dim=0) > EMPTY * alone.sum(dim=0).max()
    x = (torch.arange(n_x) - n_x // 2)[seen]
    alone, joint = alone[:, seen], joint[:, seen]
    for _ in range(ZOOMS):
        steps = torch.linspace(-1, 1, GRID)
        slopes, offsets = slope + reach_slope * steps, offset + reach_offset * steps
        phases = (slopes[:, None, None] * x + offsets[:, None]).flatten(0, 1)
        best = int(_entropies(alone, joint, phases).argmin())
        slope, offset = slopes[best // GRID], offsets[best % GRID]
        reach_slope, reach_offset = 3 * reach_slope / GRID, 3 * reach_offset / GRID
    return Ghost(slope=slope.double(), offset=offset.double())


def _entropies(alone: Tensor, joint: Tensor, phases: Tensor) -> Tensor:
    """Take the entropy of the magnitude after each correction (Atkinson 1997, doi:10.1109/42.650886)."""
    turned = joint * torch.polar(torch.ones_like(phases), phases)[:, None, :]
    magnitude = (alone + 2 * turned.real).clamp_min(0).sqrt().flatten(1)
    share = magnitude / magnitude.norm(dim=1, keepdim=True)
    entropies: Tensor = -(share * share.clamp_min(1e-12).log()).sum(dim=1)
    return entropies
