"""The U-Net of fastMRI, compatible to the last key with the published weights.

Ronneberger 2015, doi:10.1007/978-3-319-24574-4_28; Zbontar 2018, arXiv:1811.08839.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from gateway.recon.networks.residual import Attention, unweighed
from gateway.recon.networks.settle import Settle


class Unet(nn.Module):
    """Contract and expand with skips: ``n_pools`` halvings, channels doubled at each."""

    def __init__(  # noqa: PLR0913 - its sizes
        self,
        n_in: int,
        n_out: int,
        *,
        n_channels: int = 32,
        n_pools: int = 4,
        dropout: float = 0.0,
        attention: bool = False,
    ) -> None:
        super().__init__()
        self.n_in = n_in
        widths = [n_channels << level for level in range(n_pools + 1)]
        ins = [n_in, *widths[: n_pools - 1]]
        downs = zip(ins, widths[:n_pools], strict=True)
        self.down_sample_layers = nn.ModuleList(ConvBlock(before, after, dropout) for before, after in downs)
        self.conv = ConvBlock(widths[n_pools - 1], widths[n_pools], dropout)
        ups = list(reversed(widths[:n_pools]))
        self.up_transpose_conv = nn.ModuleList(TransposeConvBlock(2 * width, width) for width in ups)
        blocks = [ConvBlock(2 * width, width, dropout) for width in ups]
        last = nn.Sequential(blocks[-1], nn.Conv2d(n_channels, n_out, kernel_size=1))
        self.up_conv = nn.ModuleList([*blocks[:-1], last])
        weighing = Attention if attention else unweighed
        self.weigh = nn.ModuleList(weighing(width) for width in ups)

    def forward(self, image: Tensor) -> Tensor:
        """Map images to images of the same size. Shape `(batch channel y x)`."""
        skips, given = [], image.dtype
        image = image.to(next(self.parameters()).dtype)
        for layer in self.down_sample_layers:
            image = layer(image)
            skips.append(image)
            image = functional.avg_pool2d(image, kernel_size=2)
        image = self.conv(image)
        for grow, layer, weigh in zip(self.up_transpose_conv, self.up_conv, self.weigh, strict=True):
            skip = weigh(skips.pop())
            image = layer(torch.cat([_fitted(grow(image), skip), skip], dim=1))
        return image.to(given)


class ConvBlock(nn.Module):
    """Twice: convolution, instance norm, leaky rectifier, dropout."""

    def __init__(self, n_in: int, n_out: int, dropout: float) -> None:
        super().__init__()
        halves = (
            [nn.Conv2d(n, n_out, 3, padding=1, bias=False), Settle(), nn.Identity(), nn.Dropout2d(dropout)]
            for n in (n_in, n_out)
        )
        self.layers = nn.Sequential(*(layer for half in halves for layer in half))

    def forward(self, image: Tensor) -> Tensor:
        """Keep the size. Shape `(batch channel y x)`."""
        made: Tensor = self.layers(image)
        return made


class TransposeConvBlock(nn.Module):
    """Double the size: transposed convolution, instance norm, leaky rectifier."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        grow = nn.ConvTranspose2d(n_in, n_out, kernel_size=2, stride=2, bias=False)
        self.layers = nn.Sequential(grow, Settle())

    def forward(self, image: Tensor) -> Tensor:
        """Double the size. Shape `(batch channel y x)`."""
        made: Tensor = self.layers(image)
        return made


def _fitted(image: Tensor, like: Tensor) -> Tensor:
    """Repeat the last row or column, reflected, where an odd size was halved."""
    lacks_y, lacks_x = like.shape[-2] - image.shape[-2], like.shape[-1] - image.shape[-1]
    return functional.pad(image, (0, lacks_x, 0, lacks_y), mode="reflect") if lacks_y or lacks_x else image
