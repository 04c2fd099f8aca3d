"""The noise of the samples of a sorted scan: how much there is, where, and what it leaves in an image at the least."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from gateway.recon.fourier import inverse_fourier
from gateway.recon.hybrid import to_hybrid
from gateway.recon.kspace import Sorter
from gateway.recon.lines import Lines
from gateway.recon.noise import estimate_noise
from gateway.recon.scan import Scan
from gateway.recon.space import Target

TILES = 8
"""Parts along each axis of an image of which some show air."""
DARK = 0.05
"""Share of the tiles that may be darker than air: masked by whoever exported them."""


def noise_power_of(scan: Scan, sorter: Sorter, target: Target) -> float:
    """Take what was measured, less by averaging; else look at the middle frame where there is least signal.

    That is the outermost k-space of a fine image, the air of a coarse one; signal only adds, so the smaller one is it.
    """
    if scan.noise_power is not None:
        return scan.noise_power / mean_averages(sorter.lines)
    kspace = sorter.frames(middle := sorter.lines.n_frames // 2, middle + 1)
    z, y = kspace.filled[0].nonzero(as_tuple=True)
    edges = kspace.samples[0][:, torch.cat([z[:2], z[-2:]]), torch.cat([y[:2], y[-2:]])]
    outermost = estimate_noise(edges[edges != 0]) ** 2
    n_measured = len(z) * kspace.samples[0, :, 0, 0].numel()
    floor = float(torch.linalg.vector_norm(kspace.samples)) ** 2 / n_measured * 1e-12
    return max(floor, min(outermost, _air(kspace.samples[0], target)))


def _air(samples: Tensor, target: Target) -> float:
    """Estimate the power of the noise from the darkest tiles of the coils' images, folded or not.

    Where readouts are oversampled the margin is cut before: there the receiver's filter has damped the noise.
    """
    images = torch.stack([inverse_fourier(to_hybrid(coil, target), (-3, -2)).abs() for coil in samples])
    share = float((samples != 0).any(dim=0).to(torch.float32).mean()) * min(1.0, samples.shape[-1] / target.grid.x)
    sizes = [max(1, n // TILES) for n in images.shape[-2:]]
    tiles = images.unfold(-2, sizes[0], sizes[0]).unfold(-2, sizes[1], sizes[1])
    medians = tiles.permute(2, 3, 0, 1, 4, 5).flatten(2).flatten(0, 1).median(dim=1).values
    levels = medians[medians > 0].sort().values
    if not len(levels):
        return math.inf
    return float(levels[int(DARK * len(levels))]) ** 2 / math.log(2) / share


def mean_averages(lines: Lines) -> float:
    """Say how often a line was measured, in the mean."""
    return len(lines.frame) / int(lines.measured().sum())


def spread_of(lines: Lines, number: int, samples: Tensor) -> Tensor:
    """Say how noisy every sample of a frame is, where 1 is the mean of the scan: less where it was averaged more often.

    Parameters
    ----------
    samples
        Shape `(coil z y x)`.

    Returns
    -------
        Standard deviation; zero where nothing was measured. Shape `(1 z y x)`.
    """
    times = np.zeros((lines.partitions.n, lines.phase_encodes.n), np.float32)
    some = lines.of_frames(number, number + 1)
    np.add.at(times, (lines.z[some], lines.y[some]), 1)
    by_line = np.sqrt(mean_averages(lines) / np.maximum(times, 1), dtype=np.float32)
    return (samples != 0).any(dim=0, keepdim=True) * torch.from_numpy(by_line).to(samples.device)[..., None]


def ideal_deviation(power: float, spread: Tensor, target: Target) -> float:
    """Say what so many samples leave in a pixel at the least: in its real part, coils joined by weights of norm 1.

    Parameters
    ----------
    power
        Variance of the noise of a complex sample.
    spread
        Of one frame. Shape `(1 z y x)`.
    """
    _, n_z, n_y, _ = spread.shape
    n_x = _covered(spread)
    n_lines = float((spread[spread > 0] ** -2).sum()) / n_x
    shown = math.prod(min(n, grid) / grid for n, grid in zip((n_z, n_y, n_x), target.grid.as_tuple(), strict=True))
    return math.sqrt(power / 2 * shown * n_z * n_y / n_lines)


def readout_share(spread: Tensor, target: Target) -> float:
    """Say which part of the readout's k-space was measured: so much of the noise's power is left in hybrid space."""
    return min(1.0, _covered(spread) / target.grid.x)


def _covered(spread: Tensor) -> int:
    return max(1, int((spread > 0).flatten(0, -2).any(dim=0).sum()))
