"""The noise of GRAPPA, from its kernel (Breuer 2009, doi:10.1002/mrm.22066).

Filling k-space is a convolution, so in the image it is a small matrix over the coils at every pixel, times the folded
images of the measured lines. With the weights that combine the coils it says how much noise a pixel gets.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gateway.recon.grappa import Kernel
from gateway.recon.space import Target

BATCH_BYTES = 128 << 20
"""Memory for the matrices of the positions x that are worked on together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What the measured lines of one frame are used for; near edges of k-space and of calibration for less.

    Parameters
    ----------
    made
        Which sources make which targets of such a line. Shape `(way source target)`.
    n_lines
        How many lines of the lattice are used in each way. Shape `(way,)`.
    n_alone
        Lines beyond the lattice, which make no others.
    """

    made: Tensor
    n_lines: Tensor
    n_alone: int


def usage(lattice: Tensor, filled: Tensor, wanted: Tensor, kernel: Kernel) -> Usage:
    """Find out which lines make which.

    Parameters
    ----------
    lattice, filled, wanted
        Lines that lie on the lattice, that were measured, and that are to be made or kept. Shape `(z y)`.
    """
    lines = torch.nonzero(lattice & filled)
    sources, targets = (torch.tensor(each, device=lines.device) for each in (kernel.sources, kernel.targets))
    z, y = (lines[:, None, None] - sources[:, None] + targets).unbind(dim=-1)
    n_z, n_y = filled.shape
    inside = (z >= 0) & (z < n_z) & (y >= 0) & (y < n_y)
    made = inside & (wanted & ~filled)[z.clamp(0, n_z - 1), y.clamp(0, n_y - 1)]
    ways, n_lines = torch.unique(made, dim=0, return_counts=True)
    return Usage(made=ways, n_lines=n_lines, n_alone=int((filled & ~lattice).sum()))


def deviation(weights: Tensor, kernel: Kernel, combining: Tensor, *, used: Usage, target: Target) -> Tensor:
    """Give the noise of the combined image where every sample has noise of power 1, all independent.

    Parameters
    ----------
    weights
        From `grappa.learn`. Shape `(x source*coil target*coil)`.
    combining
        From `coils.combining`. Shape `(coil z y x)`.

    Returns
    -------
        Standard deviation of the real part. Shape `(z y x)`.
    """
    n_coils, n_z, n_y, n_x = combining.shape
    taps = weights.reshape(n_x, len(kernel.sources), n_coils, len(kernel.targets), n_coils)
    turns = _turns(kernel, (n_z, n_y), target).to(combining.device) * used.made[:, None]
    at_x = combining.conj().permute(3, 1, 2, 0).reshape(n_x, n_z * n_y, n_coils)
    step = max(1, BATCH_BYTES // (8 * n_z * n_y * taps[0, ..., 0].numel()))
    power = torch.cat(
        [_power(at_x[x : x + step], taps[x : x + step], turns, used.n_lines) for x in range(0, n_x, step)]
    )
    own = used.n_alone * combining.abs().square().sum(dim=0)
    both = power.reshape(n_x, n_z, n_y).permute(1, 2, 0) + own
    return (both / (2 * target.grid.z * target.grid.y)).sqrt()


def _power(combining: Tensor, taps: Tensor, turns: Tensor, n_lines: Tensor) -> Tensor:
    """Sum over lines and coils what the kernel and the combination make of each. Shape `(x pixel)`."""
    n_x, n_pixels, _ = combining.shape
    n_sources, n_coils, n_targets = taps.shape[1:4]
    seen = torch.bmm(combining, taps.permute(0, 4, 1, 2, 3).flatten(2))
    seen = seen.reshape(n_x, n_pixels, n_sources, n_coils, n_targets)
    power = torch.zeros((n_x, n_pixels), device=combining.device)
    for way, n in zip(turns, n_lines.tolist(), strict=True):
        made = combining + torch.einsum("xpsct,pst->xpc", seen, way)
        power += n * made.abs().square().sum(dim=-1)
    return power


def _turns(kernel: Kernel, shape: tuple[int, int], target: Target) -> Tensor:
    """Give what moving from each source to each target is at each pixel. Shape `(z*y source target)`."""
    places = [
        (torch.arange(n, dtype=torch.float64) - n // 2) / grid
        for n, grid in zip(shape, (target.grid.z, target.grid.y), strict=True)
    ]
    z, y = (each.flatten() for each in torch.meshgrid(*places, indexing="ij"))
    sources, targets = (torch.tensor(each, dtype=torch.float64) for each in (kernel.sources, kernel.targets))
    moved = targets[None] - sources[:, None]
    angle = 2 * math.pi * (z[:, None, None] * moved[..., 0] + y[:, None, None] * moved[..., 1])
    return torch.polar(torch.ones_like(angle), angle).to(torch.complex64)
