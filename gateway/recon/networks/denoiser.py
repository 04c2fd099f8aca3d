"""A denoiser after a conventional method (Zhang 2017, doi:10.1109/TIP.2017.2662206).

What knows an image by it (`prior`) has the same names of weights, so weights that were trained for one serve the other.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from gateway.model.networks import Residual
from gateway.recon.networks.observed import Observed
from gateway.recon.networks.residual import ResidualNetwork, noise_channel, to_channels, to_complex
from gateway.recon.networks.ways import laid, laid_back

MEDIAN = 0.6745
"""Of the size of a Gaussian number of deviation 1."""


class Denoiser(nn.Module):
    """Take off what does not belong to an image.

    The network says it in units of the noise, so that weak noise counts as much as strong, and that an image without
    noise stays what it is.
    """

    def __init__(self, sizes: Residual) -> None:
        super().__init__()
        self.net = ResidualNetwork(sizes, n_in=3)

    def forward(self, seen: Observed) -> Tensor:
        """Clean the conventional image. Complex. Shape `(batch x y)`."""
        return self.clean(seen.start, seen.noise)

    def clean(self, image: Tensor, noise: Tensor) -> Tensor:
        """Take noise of a standard deviation `(batch,)` off complex images `(batch x y)`."""
        channels = torch.cat([to_channels(image), noise_channel(noise, image)], dim=1)
        return image + noise[:, None, None] * (to_complex(self.net(channels)) - image)

    def refine(self, image: Tensor) -> Tensor:
        """Take off images `(batch x y)` of any recipe the noise that they show."""
        return self.clean(image, noise_of(image))

    def expected(self, image: Tensor, strength: Tensor, *, way: int) -> Tensor:
        """Say which images `(batch x y)` are expected behind noise of a strength `(batch,)`, asked in one way."""
        return laid_back(self.clean(laid(image, way), strength), way)


def noise_of(images: Tensor) -> Tensor:
    """Estimate the deviation of complex noise by the finest diagonal details of images `(batch x y)`. Shape `(batch,)`.

    Donoho 1994, doi:10.1093/biomet/81.3.425.
    """
    n_x, n_y = (n // 2 * 2 for n in images.shape[-2:])
    even = images[:, :n_x, :n_y]
    corners = even[:, ::2, ::2] - even[:, 1::2, ::2] - even[:, ::2, 1::2] + even[:, 1::2, 1::2]
    size: Tensor = torch.view_as_real(corners / 2).abs().flatten(1).median(dim=1).values
    return size / MEDIAN * math.sqrt(2)
