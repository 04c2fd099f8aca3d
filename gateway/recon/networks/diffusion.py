"""Images drawn from all that fit the data, by a network that knows noise of every strength (score-based diffusion).

What a denoiser takes off is the score of images under noise of that strength (Vincent 2011,
doi:10.1162/NECO_a_00142; Song 2019, arXiv:1907.05600). From strong noise to weak, each step goes towards the image that
network and data expect together, and puts noise back: Jalal 2021, arXiv:2108.01368, and Chung 2022,
doi:10.1016/j.media.2022.102479, for k-space of coils; the data enter by conjugate gradients (Chung 2024,
arXiv:2303.05754). The walk begins at the conventional image under the strongest noise rather than at noise alone (Chung
2022, doi:10.1109/CVPR52688.2022.01209).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from gateway.model.networks import DiffusionNetwork
from gateway.recon.networks.observed import Observed
from gateway.recon.networks.prior import Prior
from gateway.recon.networks.residual import QUIETEST
from gateway.recon.networks.solving import Nearest

DARKEST = 0.02
"""Darker than this share of the bright parts no pixel is expected to be: calibration does not see small things."""


class Diffusion(Prior):
    """The mean of what is drawn is the image."""

    def __init__(self, sizes: DiffusionNetwork) -> None:
        super().__init__(sizes)
        self.n_samples = sizes.samples

    def forward(self, seen: Observed) -> Tensor:
        """Reconstruct. Complex. Shape `(batch x y)`."""
        return self.samples(seen).mean(dim=0)

    def samples(self, seen: Observed) -> Tensor:
        """Draw images. Complex. Shape `(sample batch x y)`."""
        nearest = Nearest(seen, self.sizes.cg_steps)
        return torch.stack([self._sample(nearest, Dice(seen, number)) for number in range(self.n_samples)])

    def _sample(self, nearest: Nearest, dice: Dice) -> Tensor:
        """Walk from the strongest noise to the weakest: Euler's steps of the diffusion backwards in time."""
        seen = nearest.seen
        strengths = self.strengths(seen.noise)
        image = seen.start + strengths[0][:, None, None] * dice.throw(seen.start)
        for way, (before, after) in enumerate(pairwise(strengths)):
            kept = (after / before)[:, None, None] ** 2
            noise = after[:, None, None] * (1 - kept).sqrt() * dice.throw(image)
            image = kept * image + (1 - kept) * self._expected_of(image, nearest, before, way) + noise
        return self._expected_of(image, nearest, strengths[-1], len(strengths))

    def _expected_of(self, image: Tensor, nearest: Nearest, strength: Tensor, way: int) -> Tensor:
        """Say which image is expected behind the noise, by network and data together.

        How far off the network may be decides how pixels on top of each other share what the data say: no farther than
        the noise, and no farther than the image is expected to be bright.
        """
        seen = nearest.seen
        doubt = 1 / seen.brightness.clamp_min(DARKEST).square() + 1 / strength.square()[:, None, None]
        weight = doubt * seen.noise.clamp_min(QUIETEST).square()[:, None, None]
        return nearest(self.expected(image, strength, way=way), weight)


class Dice:
    """Complex noise of power 1: of a frame's seed and the number of a sample, whatever else is in the batch."""

    def __init__(self, seen: Observed, number: int) -> None:
        seeds = seen.seed.tolist()
        self._random = [torch.Generator().manual_seed(int(seed) << 8 | number) for seed in seeds]

    def throw(self, like: Tensor) -> Tensor:
        """Draw. Shape `(batch ...)`."""
        drawn = [torch.randn(like.shape[1:], dtype=like.dtype, generator=one) for one in self._random]
        return torch.stack(drawn).to(like.device)
