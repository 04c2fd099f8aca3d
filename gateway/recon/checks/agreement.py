"""Agreement with the conventional image, place by place, in units of its noise; and how uncertain that leaves it."""

from __future__ import annotations

import torch
from torch import Tensor

from gateway.recon.checks.blobs import blob, smoothed, standing_out
from gateway.recon.checks.view import View

MODEL_ERROR = 0.03
"""Of the signal: by so much two good methods differ on the same data."""
NEAR_PX = 2.0
"""Over so many pixels the difference tells how uncertain each of them is."""


def difference(view: View, image: Tensor) -> Tensor:
    """Subtract the conventional magnitude, at the brightness at which it is most like the image. Shape `(z y x)`."""
    size, other = image.abs(), view.reference.abs()
    weights = view.there.to(size.dtype)
    power = (weights * other.square()).sum()
    gain = (weights * size * other).sum() / power.clamp_min(torch.finfo(power.dtype).tiny)
    return size - gain * other


def agreement_map(view: View, apart: Tensor) -> Tensor:
    """Say how far the difference stands out of the noise of the conventional image. Shape `(z y x)`."""
    return standing_out(apart, view.deviation, MODEL_ERROR * view.reference.abs()) * view.there


def uncertainty_map(view: View, apart: Tensor) -> Tensor:
    """Guess how far an image may be from the truth, up to a factor that calibration finds. Shape `(z y x)`.

    Two errors that hardly depend on each other: the noise of the conventional image, and how far both differ nearby.
    """
    near = smoothed(apart.square(), blob(apart.shape, NEAR_PX, apart.device)).clamp_min(0)
    return (view.deviation.square() + near).sqrt()
