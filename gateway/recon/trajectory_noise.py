"""The noise of samples along a trajectory, where nobody measured it: from what no patient can have sent.

A patient ends where the field of view does, so that signal changes slowly along a readout that is sampled densely: what
changes faster is noise. As much of it as of the outermost k-space counts where that is less, since signal only adds.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gateway.recon.noise import estimate_noise

OUTERMOST = 0.9
"""From this part of the trajectory's reach outwards there is more noise than signal."""
DENSE = 0.55
"""Cycles per field of view from one sample to the next: signal changes by half as many cycles at the most."""
BAND = 0.34
"""Cycles per sample: faster than signal, slower than what a receiver's filter takes away."""
TAPS = 33
"""Of the filter, which are as many samples in a row."""
BLACKMAN_HARRIS = (0.35875, 0.48829, 0.14128, 0.01168)
"""A window that lets through less than 1e-9 of the power beside its band (Harris 1978, doi:10.1109/PROC.1978.10837)."""
FEWEST = 64
"""Values below which a median tells little."""


def trajectory_noise(samples: Tensor, points: Tensor) -> float:
    """Estimate the variance of the noise of a complex sample.

    Parameters
    ----------
    samples
        In the order in which they were measured. Shape `(coil sample)`.
    points
        In cycles per field of view. Shape `(sample axis)`.
    """
    radius = points.norm(dim=1)
    power = estimate_noise(samples[:, radius >= OUTERMOST * radius.max()]) ** 2
    fast = faster_than_signal(samples, points)
    return min(power, estimate_noise(fast) ** 2) if fast.numel() >= FEWEST else power


def faster_than_signal(samples: Tensor, points: Tensor) -> Tensor:
    """Keep what changes too fast to come from the field of view, at the power that white noise has. `(coil part)`."""
    if len(points) < TAPS:
        return samples[:, :0]
    near = (points.diff(dim=0).norm(dim=1) <= DENSE).unfold(0, TAPS - 1, 1).all(dim=1)
    response = _response(samples)
    real, imaginary = (
        torch.nn.functional.conv1d(part[:, None], response[None, None])[:, 0, near]
        for part in (samples.real, samples.imag)
    )
    return torch.complex(real, imaginary)


def _response(like: Tensor) -> Tensor:
    """Give the filter's impulse response, of norm 1. Shape `(tap,)`."""
    at = torch.arange(TAPS, device=like.device, dtype=torch.float64)
    window = torch.stack(
        [
            (-1) ** order * share * torch.cos(2 * math.pi * order * (at + 0.5) / TAPS)
            for order, share in enumerate(BLACKMAN_HARRIS)
        ]
    ).sum(dim=0)
    response = window * torch.cos(2 * math.pi * BAND * at)
    unit: Tensor = (response / response.norm()).to(like.real.dtype)
    return unit
