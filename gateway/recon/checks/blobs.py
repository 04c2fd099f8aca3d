"""Matched filters for small structures: maps smoothed over several sizes, in units of what noise gives there.

A lesion is seen by its sum, not by its pixels: a blob of n pixels stands out of white noise by the root of n more than
each of them does (North 1943). Nobody knows the size before, so several are tried and the largest answer counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

WIDTHS_PX = (0.7, 1.5, 3.0)
"""Standard deviations of the blobs."""


def blob(shape: Sequence[int], width_px: float, device: torch.device) -> Tensor:
    """Give the transfer function of smoothing by a Gaussian of sum 1, zero frequency in the centre. Shape `(y x)`."""
    along = [torch.exp(-2 * (math.pi * width_px * (torch.arange(n, device=device) - n // 2) / n) ** 2) for n in shape]
    return along[0][:, None] * along[1][None, :]


def smoothed(image: Tensor, transfer: Tensor) -> Tensor:
    """Smooth an image `(y x)`, real or complex; a convolution does not care where an axis begins."""
    response = torch.fft.ifftshift(transfer)
    if image.is_complex():
        both: Tensor = torch.fft.ifft2(torch.fft.fft2(image) * response)
        return both
    half = response[:, : image.shape[1] // 2 + 1]
    made: Tensor = torch.fft.irfft2(torch.fft.rfft2(image) * half, s=image.shape)
    return made


def standing_out(change: Tensor, noise: Tensor, allowed: Tensor) -> Tensor:
    """Say by how many standard deviations a real change stands out, at the size at which it does most.

    Parameters
    ----------
    change
        Real. Shape `(y x)`.
    noise
        Standard deviation of its pixels, hardly correlated. Shape `(y x)`.
    allowed
        What it may be anywhere beside noise. Shape `(y x)`.

    Returns
    -------
        Not negative. Shape `(y x)`.
    """
    best = torch.zeros_like(change)
    for width in WIDTHS_PX:
        transfer = blob(change.shape, width, change.device)
        kept = float(transfer.square().mean())  # of the power of white noise
        power = smoothed(noise.square(), transfer).clamp_min(0) * kept
        level = (power + smoothed(allowed, transfer).square()).sqrt()
        best = torch.maximum(best, smoothed(change, transfer).abs() / level.clamp_min(torch.finfo(level.dtype).tiny))
    return best
