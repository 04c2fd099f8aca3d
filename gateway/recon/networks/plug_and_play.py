"""A denoiser as the prior of an iterative method (plug and play).

Venkatakrishnan 2013, doi:10.1109/GlobalSIP.2013.6737048; Ahmad 2020, doi:10.1109/MSP.2019.2949470. The noise that it is
told to take off falls as it goes (Zhang 2022, doi:10.1109/TPAMI.2021.3088914), to a multiple of what the data have.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gateway.model.networks import PnpNetwork
from gateway.recon.networks.observed import Observed
from gateway.recon.networks.prior import Prior
from gateway.recon.networks.residual import QUIETEST
from gateway.recon.networks.solving import Nearest


class PlugAndPlay(Prior):
    """Denoiser and data take turns until the steps are done."""

    def __init__(self, sizes: PnpNetwork) -> None:
        super().__init__(sizes)
        self.sizes: PnpNetwork = sizes

    def forward(self, seen: Observed) -> Tensor:
        """Reconstruct. Complex. Shape `(batch x y)`."""
        return self._admm(seen) if self.sizes.splitting == "admm" else self._fista(seen)

    def _admm(self, seen: Observed) -> Tensor:
        """Split the image into one that fits the data and one that the denoiser likes."""
        noise = seen.noise.clamp_min(QUIETEST).square()[:, None, None]
        liked, image, pull = seen.start, seen.start, torch.zeros_like(seen.start)
        nearest = Nearest(seen, self.sizes.cg_steps)
        for way, strength in enumerate(self.strengths(seen.noise)):
            allowed = strength.square()[:, None, None]
            image = nearest(liked - allowed * pull, noise / allowed)
            liked = self.expected(image + allowed * pull, strength, way=way)
            pull = pull + (image - liked) / allowed
        return image

    def _fista(self, seen: Observed) -> Tensor:
        """Descend along the data with momentum, and denoise after each step."""
        encoding = seen.encoding
        image = point = seen.start
        momentum = 1.0
        for way, strength in enumerate(self.strengths(seen.noise)):
            before = image
            descended = point - encoding.adjoint(encoding.apply(point) - seen.data)
            image = self.expected(descended, strength, way=way)
            following = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
            point = image + (momentum - 1) / following * (image - before)
            momentum = following
        return image
