"""Instance norm and a leaky rectifier: what stands between two convolutions of fastMRI's U-Net.

Where channels lie beside each other in memory torch's instance norm rearranges every image, which takes longer than the
convolution. Statistics of a batch norm do not, and of one image are the same; but they take one pixel's channels at a
time, and are slow where those are few. So pixels that lie beside each other count as one of more channels, whose
statistics are joined.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

SLOPE = 0.2
"""Of the leaky rectifier below zero."""
EPSILON = 1e-5
"""Added to the variance, as torch does."""
WIDE = 128
"""Channels of which statistics are fast; and the more there are, the fewer numbers are added up in single precision."""


class Settle(nn.Module):
    """Give every channel of every image mean 0 and variance 1, and take most off what is negative."""

    def forward(self, image: Tensor) -> Tensor:
        """Use the image's own memory where no gradient is asked for. Shape `(batch channel y x)`."""
        if torch.is_grad_enabled() or not _by_pixels(image):
            return functional.leaky_relu(functional.instance_norm(image, eps=EPSILON), SLOPE, inplace=True)
        _normalise(image.permute(0, 2, 3, 1))
        return functional.leaky_relu_(image, SLOPE)


def _by_pixels(image: Tensor) -> bool:
    """Say whether the channels of a pixel lie beside each other, where that matters."""
    plain = image.device.type == "cpu" and image.dtype == torch.float32 and not torch.compiler.is_compiling()
    return plain and image.is_contiguous(memory_format=torch.channels_last)


def _normalise(images: Tensor) -> None:
    """Normalise in place. Shape `(batch y x channel)`."""
    n_images, n_y, n_x, n_channels = images.shape
    beside = _beside(n_x, n_channels)
    wide = images.view(n_images, n_y, n_x // beside, beside * n_channels)
    means, powers = _statistics(wide).view(2, n_images, beside, n_channels)
    mean = means.mean(dim=1, keepdim=True)
    power = (powers + (means - mean).square()).mean(dim=1, keepdim=True)
    scale = (power + EPSILON).rsqrt()
    shift, scale = (each.expand_as(means).reshape(n_images, 1, 1, -1) for each in (-mean * scale, scale))
    torch.addcmul(shift, wide, scale, out=wide)


def _beside(n_x: int, n_channels: int) -> int:
    """Say how many pixels of a line count as one: as many times two as divide it, until channels are many enough."""
    beside = 1
    while beside * n_channels < WIDE and n_x % (2 * beside) == 0:
        beside *= 2
    return beside


def _statistics(images: Tensor) -> Tensor:
    """Give mean and variance of each channel of each image. From `(batch y x channel)` to `(2 batch channel)`."""
    each = (torch.batch_norm_update_stats(one, None, None, 0.0) for one in torch.split(images.permute(0, 3, 1, 2), 1))
    return torch.stack([torch.stack(both) for both in each], dim=1)
