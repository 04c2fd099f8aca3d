"""A denoiser after a conventional method, and the same denoiser as the prior of an iterative one (plug and play).

Zhang 2017, doi:10.1109/TIP.2017.2662206; Venkatakrishnan 2013, doi:10.1109/GlobalSIP.2013.6737048; Ahmad 2020,
doi:10.1109/MSP.2019.2949470. The names of their weights are the same, so weights trained for one serve the other.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from gateway.model.networks import PnpNetwork, Residual
from gateway.recon.networks.observed import Observed
from gateway.recon.networks.residual import QUIETEST, ResidualNetwork, noise_channel, to_channels, to_complex
from gateway.recon.networks.solving import Nearest

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

    def expected(self, image: Tensor, strength: float) -> Tensor:
        """Say which images are expected behind noise of one strength. Shape `(batch x y)`."""
        return self.clean(image, image.real.new_full(image.shape[:1], strength))


class PlugAndPlay(Denoiser):
    """Denoiser and data take turns until the steps are done."""

    def __init__(self, sizes: PnpNetwork) -> None:
        super().__init__(sizes)
        self.sizes = sizes

    def forward(self, seen: Observed) -> Tensor:
        """Reconstruct. Complex. Shape `(batch x y)`."""
        return self._admm(seen) if self.sizes.splitting == "admm" else self._fista(seen)

    def _admm(self, seen: Observed) -> Tensor:
        """Split the image into one that fits the data and one that the denoiser likes."""
        strength = self.sizes.strength
        weight = (seen.noise.clamp_min(QUIETEST) / strength).square()[:, None, None]
        liked, image, owed = seen.start, seen.start, torch.zeros_like(seen.start)
        nearest = Nearest(seen, self.sizes.cg_steps)
        for _ in range(self.sizes.steps):
            image = nearest(liked - owed, weight)
            liked = self.expected(image + owed, strength)
            owed = owed + image - liked
        return image

    def _fista(self, seen: Observed) -> Tensor:
        """Descend along the data with momentum, and denoise after each step."""
        encoding = seen.encoding
        image = point = seen.start
        momentum = 1.0
        for _ in range(self.sizes.steps):
            before = image
            descended = point - encoding.adjoint(encoding.apply(point) - seen.data)
            image = self.expected(descended, self.sizes.strength)
            following = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
            point = image + (momentum - 1) / following * (image - before)
            momentum = following
        return image


def noise_of(images: Tensor) -> Tensor:
    """Estimate the deviation of complex noise by the finest diagonal details of images `(batch x y)`. Shape `(batch,)`.

    Donoho 1994, doi:10.1093/biomet/81.3.425.
    """
    n_x, n_y = (n // 2 * 2 for n in images.shape[-2:])
    even = images[:, :n_x, :n_y]
    corners = even[:, ::2, ::2] - even[:, 1::2, ::2] - even[:, ::2, 1::2] + even[:, 1::2, 1::2]
    size: Tensor = torch.view_as_real(corners / 2).abs().flatten(1).median(dim=1).values
    return size / MEDIAN * math.sqrt(2)
