"""Windows over k-space: less ringing and noise for less sharpness."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from gateway.recon.partial_fourier import Side

FERMI_STEEPNESS = 10.0
"""A Fermi window falls from 0.99 to 0.01 within its width."""


def _hann(distance: Tensor, _width: float) -> Tensor:
    return torch.cos(math.pi / 2 * distance).square()


def _tukey(distance: Tensor, width: float) -> Tensor:
    return torch.cos(math.pi / 2 * ((distance - 1 + width) / width).clamp(0, 1)).square()


def _fermi(distance: Tensor, width: float) -> Tensor:
    return torch.sigmoid((1 - width / 2 - distance) * FERMI_STEEPNESS / width)


WINDOWS: Mapping[str, Callable[[Tensor, float], Tensor]] = MappingProxyType(
    {"hann": _hann, "tukey": _tukey, "fermi": _fermi}
)
"""By name: the weight at a distance from the centre (1 is the furthest point measured), the share that falls."""


def window(name: str, side: Side, *, width: float) -> Tensor:
    """Weigh the points of an axis. Shape `(point,)`; 1 at the centre, or nearly, and symmetric about it."""
    centre = side.n // 2
    furthest = max(centre - side.first, side.last - centre, 1)
    return WINDOWS[name](((torch.arange(side.n) - centre).abs() / furthest).clamp(max=1.0), width)
