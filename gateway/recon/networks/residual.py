"""A small residual network of dilated convolutions (Zhang 2017, doi:10.1109/TIP.2017.2662206): what others call.

Complex images enter as real and imaginary part; it knows nothing of coils or k-space.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from gateway.model.networks import Residual

SLOPE = 0.1
"""Of the leaky rectifier below zero."""
NARROWER = 4
"""Times that attention has fewer channels inside."""


class ResidualNetwork(nn.Module):
    """Add a correction to the first two channels; nobody trained, it adds nothing."""

    def __init__(self, sizes: Residual, *, n_in: int) -> None:
        super().__init__()
        self.n_in = n_in
        widths = [n_in, *(sizes.n_channels for _ in sizes.dilations)]
        self.layers = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=step, dilation=step)
            for before, after, step in zip(widths[:-1], widths[1:], sizes.dilations, strict=True)
        )
        weighing = Attention if sizes.attention else unweighed
        self.attention = nn.ModuleList(weighing(sizes.n_channels) for _ in sizes.dilations)
        self.out = nn.Conv2d(sizes.n_channels, 2, 3, padding=1)
        for weights in self.out.parameters():
            nn.init.zeros_(weights)

    def forward(self, channels: Tensor) -> Tensor:
        """Correct an image. From `(batch channel x y)` to `(batch 2 x y)`."""
        first, *others = zip(self.layers, self.attention, strict=True)
        hidden = first[1](functional.leaky_relu(first[0](channels.to(self.out.weight.dtype)), SLOPE))
        for layer, weigh in others:
            hidden = hidden + weigh(functional.leaky_relu(layer(hidden), SLOPE))
        corrected: Tensor = channels[:, :2] + self.out(hidden)
        return corrected


class Attention(nn.Module):
    """Weigh channels by their means (Hu 2018, arXiv:1709.01507; for MRI Huang 2019, doi:10.1109/ISBI.2019.8759423)."""

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        narrow = max(1, n_channels // NARROWER)
        self.weigh = nn.Sequential(
            nn.Linear(n_channels, narrow), nn.SiLU(), nn.Linear(narrow, n_channels), nn.Sigmoid()
        )

    def forward(self, hidden: Tensor) -> Tensor:
        """Keep the shape `(batch channel x y)`."""
        weighed: Tensor = hidden * self.weigh(hidden.mean(dim=(2, 3)))[:, :, None, None]
        return weighed


def unweighed(_n_channels: int) -> nn.Module:
    """Stand where attention could."""
    return nn.Identity()


def to_channels(image: Tensor) -> Tensor:
    """Split complex images into real and imaginary part. From `(batch *space)` to `(batch 2 *space)`."""
    return torch.view_as_real(image.resolve_conj()).movedim(-1, 1)


def to_complex(channels: Tensor) -> Tensor:
    """Join real and imaginary part. From `(batch 2 *space)` to `(batch *space)`."""
    return torch.view_as_complex(channels.movedim(1, -1).contiguous())


def noise_channel(noise: Tensor, like: Tensor) -> Tensor:
    """Say how noisy an image is, in powers of ten. Noise is `(batch,)`; shape `(batch 1 *space)`."""
    strength = noise.clamp_min(QUIETEST).log10() / 2
    return strength.reshape(-1, *[1] * like.ndim).expand(-1, 1, *like.shape[1:])


QUIETEST = 1e-5
"""Less noise than this share of the bright parts looks the same to a network."""
