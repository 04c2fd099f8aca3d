"""Instance norm and a leaky rectifier: what stands between two convolutions of fastMRI's U-Net.

Where channels lie beside each other in memory torch's instance norm rearranges every image, which takes longer than the
convolution. Its batch norm does not, and of one image is the same; but it takes one pixel's channels at a time, and is
slow where they are few. There the rows of an image are added up as a matrix of `y` rows and `(x channel)` columns.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

SLOPE = 0.2
"""Of the leaky rectifier below zero."""
EPSILON = 1e-5
"""Added to the variance, as torch does."""
TOGETHER = 1 << 18
"""Numbers that are squared before they are added up: so many stay in the cache of a core."""
NARROW = 32
"""Channels up to which products are as fast as batch norm, and more exact where pixels are many."""


class Settle(nn.Module):
    """Give every channel of every image mean 0 and variance 1, and take most off what is negative."""

    def forward(self, image: Tensor) -> Tensor:
        """Use the image's own memory where no gradient is asked for. Shape `(batch channel y x)`."""
        if torch.is_grad_enabled() or not _by_pixels(image):
            return functional.leaky_relu(functional.instance_norm(image, eps=EPSILON), SLOPE, inplace=True)
        if image.shape[1] > NARROW:
            image = (
                torch.cat([_normalised(one) for one in torch.split(image, 1)]) if len(image) > 1 else _normalised(image)
            )
        else:
            for one in image:
                _settle(one.permute(1, 2, 0))
        return functional.leaky_relu_(image, SLOPE)


def _by_pixels(image: Tensor) -> bool:
    """Say whether the channels of a pixel lie beside each other, where that matters."""
    plain = image.device.type == "cpu" and image.dtype == torch.float32 and not torch.compiler.is_compiling()
    return plain and image.is_contiguous(memory_format=torch.channels_last)


def _normalised(image: Tensor) -> Tensor:
    """Normalise one image of many channels. Shape `(1 channel y x)`."""
    nothing = (None, None, None, None)  # neither weights nor statistics from before
    return torch.batch_norm(image, *nothing, True, 0.0, EPSILON, False)  # noqa: FBT003 - it takes no names


def _settle(image: Tensor) -> None:
    """Normalise in place. Shape `(y x channel)`."""
    n_y, n_x, n_channels = image.shape
    rows = image.view(n_y, n_x * n_channels)
    some = torch.split(rows, max(1, TOGETHER // rows.shape[1]))
    rows -= _mean([_summed(each) for each in some], image).repeat(n_x)
    power = _mean([_summed(each * each) for each in some], image)
    rows *= power.add(EPSILON).rsqrt().repeat(n_x)


def _summed(rows: Tensor) -> Tensor:
    """Add rows up by a product with ones, for which every core has the best instructions."""
    return rows.new_ones(1, len(rows)) @ rows


def _mean(sums: list[Tensor], image: Tensor) -> Tensor:
    """Give the mean of each channel of an image `(y x channel)` from sums over its rows."""
    n_y, n_x, n_channels = image.shape
    return torch.cat(sums).view(-1, n_x, n_channels).sum(dim=(0, 1)) / (n_y * n_x)
