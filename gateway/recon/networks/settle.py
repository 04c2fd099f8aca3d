"""Instance norm and a leaky rectifier: what stands between two convolutions of fastMRI's U-Net.

Where channels lie beside each other in memory torch rearranges every image to normalise it, which takes longer than the
convolution. Here the rows of an image stay where they are, as a matrix of `y` rows and `(x channel)` columns.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

SLOPE = 0.2
"""Of the leaky rectifier below zero."""
EPSILON = 1e-5
"""Added to the variance, as torch does."""
TOGETHER = 1 << 17
"""Numbers that are squared before they are added up: so many stay in the cache of a core."""


class Settle(nn.Module):
    """Give every channel of every image mean 0 and variance 1, and take most off what is negative."""

    def forward(self, image: Tensor) -> Tensor:
        """Change the image itself where no gradient is asked for. Shape `(batch channel y x)`."""
        if torch.is_grad_enabled() or not _by_pixels(image):
            return functional.leaky_relu(functional.instance_norm(image, eps=EPSILON), SLOPE, inplace=True)
        for one in image:
            _settle(one.permute(1, 2, 0))
        return functional.leaky_relu_(image, SLOPE)


def _by_pixels(image: Tensor) -> bool:
    """Say whether the channels of a pixel lie beside each other, where that matters."""
    plain = image.device.type == "cpu" and image.dtype == torch.float32 and not torch.compiler.is_compiling()
    return plain and image.is_contiguous(memory_format=torch.channels_last)


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
