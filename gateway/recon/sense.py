"""SENSE: the image that coils of known sensitivity would have measured (Pruessmann 1999, 2001).

doi:10.1002/(SICI)1522-2594(199911)42:5<952::AID-MRM16>3.0.CO;2-S and doi:10.1002/mrm.1241. Where lines are left out
along y alone, every readout position is a system of its own, small enough to be solved exactly. Each pixel is expected
to be about as bright as calibration shows it (Lin 2004, doi:10.1002/mrm.10718), which decides what the data leave open.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gateway.recon.cartesian_problem import Problem
from gateway.recon.fourier import fourier, inverse_fourier
from gateway.recon.solvers import Stop, conjugate_gradient
from gateway.recon.threads import as_many_as_help

APART = (0, -3)
"""Frames and positions x do not need each other."""
BATCH_BYTES = {"cpu": 8 << 20}
"""Memory for the systems that are solved together, by device: on a CPU as much as its caches hold, nearly twice as fast
as what has to be fetched from the system anew."""
LARGE_BATCH_BYTES = 128 << 20
"""The same on other devices, which want much to do at a time."""


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


def solve_exactly(problem: Unfolding) -> Tensor:
    """Solve each position x by a Cholesky factorisation; two-dimensional scans only. Shape `(set z y x)`."""
    right = problem.right_side()[:, 0].permute(2, 0, 1).flatten(1).unsqueeze(-1)
    solved = [_solved(factor, right[at]) for at, factor in _factors(problem)]
    return _laid(torch.cat(solved), problem.prior.shape) * problem.prior.sqrt()


def solve_several(problem: Unfolding, data: Tensor) -> Tensor:
    """Solve for other data of the same lines, by one factorisation: what it makes of noise, for instance.

    Parameters
    ----------
    data
        As that of the problem. Shape `(data coil z y x)`.

    Returns
    -------
        Shape `(data set z y x)`.
    """
    sides = torch.stack([replace(problem, data=one).right_side()[:, 0] for one in data])
    right = sides.permute(3, 1, 2, 0).flatten(1, 2)
    solved = torch.cat([_solved(factor, right[at]) for at, factor in _factors(problem)])
    return torch.stack([_laid(one, problem.prior.shape) for one in solved.unbind(dim=-1)]) * problem.prior.sqrt()


def deviation(problem: Unfolding, images: Tensor, noise_power: float) -> Tensor:
    """Give the noise of what `solve_exactly` finds, along the phase of its images.

    With M the system, w the noise power it was solved with and s^2 that of the data, its covariance is
    ``s^2 (M^-1 - w M^-2)``: what unfolding makes of noise (Pruessmann 1999), less what the expectation holds back.

    Parameters
    ----------
    images
        From `solve_exactly`. Shape `(set z y x)`.
    noise_power
        Of the data.

    Returns
    -------
        Standard deviation of the magnitude of the sets together. Shape `(z y x)`.
    """
    towards = _towards(images, problem.maps) * problem.prior.sqrt()
    across = towards[:, 0].permute(2, 0, 1)
    power = [_projected(factor, across[at], problem.noise_power) for at, factor in _factors(problem)]
    return (torch.cat(power).T.unsqueeze(0) * (noise_power / 2)).clamp_min(0).sqrt()


def _projected(factor: Tensor, across: Tensor, ridge: float) -> Tensor:
    """Take the variance along vectors over the sets `(x set y)`, for data noise of power 1. Shape `(x y)`."""
    n_x, n_sets, n_y = across.shape
    inverse = torch.cholesky_inverse(factor).reshape(n_x, n_sets, n_y, -1)
    own = inverse.reshape(n_x, n_sets, n_y, n_sets, n_y).diagonal(dim1=2, dim2=4).permute(0, 1, 3, 2)
    squared = torch.einsum("xsyj,xtyj->xsyt", inverse, inverse.conj())
    covariance = own - ridge * squared
    variance: Tensor = torch.einsum("xsy,xsyt,xty->xy", across.conj(), covariance, across).real
    return variance


def _towards(images: Tensor, maps: Tensor) -> Tensor:
    """Say how the magnitude of the sets together grows with each of them. Shape `(set z y x)`."""
    weighted = images * maps.abs().square().sum(dim=1)
    size = (images.conj() * weighted).real.sum(dim=0).clamp_min(0).sqrt()
    return weighted / size.clamp_min(torch.finfo(size.dtype).tiny)


def _factors(problem: Unfolding) -> Iterator[tuple[slice, Tensor]]:
    """Factorise the systems of some positions x at a time. Shape `(x set*y set*y)`."""
    n_sets, _, _, n_y, n_x = problem.maps.shape
    maps = (problem.maps * problem.prior.sqrt().unsqueeze(1))[:, :, 0].permute(3, 1, 0, 2).flatten(2).contiguous()
    spread = _spread(problem.filled[0]).repeat(n_sets, n_sets)
    n_bytes = BATCH_BYTES.get(maps.device.type, LARGE_BATCH_BYTES)
    step = max(1, n_bytes // (8 * (n_sets * n_y) ** 2))
    for x in range(0, n_x, step):
        some = maps[x : x + step]
        system = (some.mH @ some).mul_(spread)
        system.diagonal(dim1=-2, dim2=-1).add_(problem.noise_power)
        yield slice(x, x + step), torch.linalg.cholesky(system)


def _solved(factor: Tensor, right: Tensor) -> Tensor:
    """Solve by a factor; for few right sides two triangles are several times as fast as `torch.cholesky_solve`."""
    half = torch.linalg.solve_triangular(factor, right, upper=False)
    found: Tensor = torch.linalg.solve_triangular(factor.mH, half, upper=True)
    return found


def _laid(solved: Tensor, shape: torch.Size) -> Tensor:
    """Bring `(x set*y ...)` to the order of images."""
    n_sets, n_z, n_y, n_x = shape
    return solved.reshape(n_x, n_sets, n_z, n_y).permute(1, 2, 3, 0)


def _spread(filled: Tensor) -> Tensor:
    """Say how a pixel spreads over a line of pixels when only some lines are measured. Shape `(y y)`."""
    n = len(filled)
    point = fourier(filled.to(torch.complex64), (0,)).conj() / math.sqrt(n)
    distance = (torch.arange(n)[:, None] - torch.arange(n)[None, :] + n // 2) % n
    return point[distance.to(point.device)]


def solve_by_steps(problem: Problem, prior: Tensor, noise_power: float, stop: Stop) -> Tensor:
    """Solve by conjugate gradients; lines and partitions may be left out in any pattern. Shape `(frame set x z y)`.

    Parameters
    ----------
    prior
        Expected power of each pixel. Shape `(set x z y)`.
    noise_power
        Variance of the noise of a complex sample of each coil.
    """
    scale = prior.sqrt().to(problem.rhs.dtype)

    def normal(values: Tensor) -> Tensor:
        return torch.add(scale * problem.normal(scale * values), values, alpha=noise_power)

    with as_many_as_help(problem.rhs):
        return scale * conjugate_gradient(normal, scale * problem.rhs, stop, apart=APART)
