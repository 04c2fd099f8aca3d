"""Matched filters for small structures: maps smoothed over several sizes, in units of what noise gives there.

A lesion is seen by its sum, not by its pixels: a blob of n pixels stands out of white noise by the root of n more than
each of them does (North 1943). Nobody knows the size before, so several are tried and the largest answer counts. Maps
are `(z y x)`: of slices, whose z is of length 1, a blob is a disc, of slabs a ball.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

WIDTHS_PX = (0.7, 1.5, 3.0)
"""Standard deviations of the blobs."""


def blob(shape: Sequence[int], width_px: float, device: torch.device) -> Tensor:
    """Give the transfer function of smoothing by a Gaussian of sum 1, zero frequency in the centre. Of any shape."""
    made = torch.ones((), device=device)
    for n in shape:
        made = made[..., None] * falling_off((torch.arange(n, device=device) - n // 2) / n, width_px)
    return made


def falling_off(frequency: Tensor, width_px: float) -> Tensor:
    """Say what is left of frequencies, in cycles per pixel, along one axis."""
    return torch.exp(-2 * (math.pi * width_px * frequency) ** 2)


def smoothed(image: Tensor, transfer: Tensor) -> Tensor:
    """Smooth an image, real or complex; a convolution does not care where an axis begins."""
    axes = [axis for axis in range(image.ndim) if image.shape[axis] > 1]
    response = torch.fft.ifftshift(transfer)
    if image.is_complex():
        both: Tensor = torch.fft.ifftn(torch.fft.fftn(image, dim=axes) * response, dim=axes)
        return both
    half = response.narrow(axes[-1], 0, image.shape[axes[-1]] // 2 + 1)
    made: Tensor = torch.fft.irfftn(
        torch.fft.rfftn(image, dim=axes) * half, s=[image.shape[axis] for axis in axes], dim=axes
    )
    return made


def standing_out(change: Tensor, noise: Tensor, allowed: Tensor) -> Tensor:
    """Say by how many standard deviations a real change stands out, at the size at which it does most.

    Parameters
    ----------
    change
        Real. Shape `(z y x)`.
    noise
        Standard deviation of its pixels, hardly correlated. Shape `(z y x)`.
    allowed
        What it may be anywhere beside noise. Shape `(z y x)`.

    Returns
    -------
        Not negative. Shape `(z y x)`.
    """
    best = torch.zeros_like(change)
    for width in WIDTHS_PX:
        transfer = blob(change.shape, width, change.device)
        kept = float(transfer.square().mean())  # of the power of white noise
        power = smoothed(noise.square(), transfer).clamp_min(0) * kept
        level = (power + smoothed(allowed, transfer).square()).sqrt()
        best = torch.maximum(best, smoothed(change, transfer).abs() / level.clamp_min(torch.finfo(level.dtype).tiny))
    return best
