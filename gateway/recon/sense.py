"""SENSE: the image that coils of known sensitivity would have measured (Pruessmann 1999, 2001).

doi:10.1002/(SICI)1522-2594(199911)42:5<952::AID-MRM16>3.0.CO;2-S and doi:10.1002/mrm.1241. Where lines are left out
along y alone, every readout position is a system of its own, small enough to be solved exactly. Each pixel is expected
to be about as bright as calibration shows it (Lin 2004, doi:10.1002/mrm.10718), which decides what the data leave open.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gateway.recon.fourier import fourier, inverse_fourier
from gateway.recon.solvers import Stop, conjugate_gradient

BATCH_BYTES = 128 << 20
"""Memory for the systems that are solved together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfolding:
    """What is known of one slice.

    Parameters
    ----------
    data
        Hybrid space, zero where nothing was measured. Shape `(coil z y x)`.
    filled
        Which lines were measured. Shape `(z y)`.
    maps
        Sensitivities; zero where there is nothing. Shape `(set coil z y x)`.
    prior
        Expected power of each pixel. Shape `(set z y x)`.
    noise_power
        Variance of the noise of a complex sample of each coil.
    """

    data: Tensor
    filled: Tensor
    maps: Tensor
    prior: Tensor
    noise_power: float

    def right_side(self) -> Tensor:
        """Combine what the data say by themselves, weighted by what is expected. Shape `(set z y x)`."""
        images = inverse_fourier(self.data, (-3, -2))
        return self.prior.sqrt() * (self.maps.conj() * images).sum(dim=1)

    def normal(self, values: Tensor) -> Tensor:
        """Apply the normal operator, in units in which every pixel is expected to be 1. Shape `(set z y x)`."""
        weighted = self.prior.sqrt() * values
        kspace = fourier((self.maps * weighted.unsqueeze(1)).sum(dim=0), (-3, -2))
        kspace *= self.filled.unsqueeze(-1)
        back = (self.maps.conj() * inverse_fourier(kspace, (-3, -2))).sum(dim=1)
        return self.prior.sqrt() * back + self.noise_power * values


def solve_exactly(problem: Unfolding) -> Tensor:
    """Solve each position x by a Cholesky factorisation; two-dimensional scans only. Shape `(set z y x)`."""
    n_sets, _, _, n_y, n_x = problem.maps.shape
    scale = problem.prior.sqrt()
    right = problem.right_side()[:, 0].permute(2, 0, 1).reshape(n_x, -1, 1)
    maps = (problem.maps * scale.unsqueeze(1))[:, :, 0].permute(3, 1, 0, 2).flatten(2)
    spread = _spread(problem.filled[0]).repeat(n_sets, n_sets)
    step = max(1, BATCH_BYTES // (8 * (n_sets * n_y) ** 2))
    solved = [_solve(maps[x : x + step], spread, right[x : x + step], problem.noise_power) for x in range(0, n_x, step)]
    return torch.cat(solved).reshape(n_x, n_sets, n_y).permute(1, 2, 0).unsqueeze(1) * scale


def _solve(maps: Tensor, spread: Tensor, right: Tensor, noise_power: float) -> Tensor:
    system = (maps.mH @ maps) * spread
    system.diagonal(dim1=-2, dim2=-1).add_(noise_power)
    return torch.cholesky_solve(right, torch.linalg.cholesky(system))


def _spread(filled: Tensor) -> Tensor:
    """Say how a pixel spreads over a line of pixels when only some lines are measured. Shape `(y y)`."""
    n = len(filled)
    point = fourier(filled.to(torch.complex64), (0,)).conj() / math.sqrt(n)
    distance = (torch.arange(n)[:, None] - torch.arange(n)[None, :] + n // 2) % n
    return point[distance.to(point.device)]


def solve_by_steps(problem: Unfolding, *, steps: int, tolerance: float = 1e-4) -> Tensor:
    """Solve by conjugate gradients; lines and partitions may be left out in any pattern. Shape `(set z y x)`."""
    stop = Stop(steps=steps, tolerance=tolerance)
    return problem.prior.sqrt() * conjugate_gradient(problem.normal, problem.right_side(), stop)
