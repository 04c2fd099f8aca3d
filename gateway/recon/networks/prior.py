"""What images look like, known by what a network takes off noise of any strength: the score.

``log p(image)`` climbs along ``expected(image) - image`` (Vincent 2011, doi:10.1162/NECO_a_00142; Song 2019,
arXiv:1907.05600).
"""

from __future__ import annotations

from torch import Tensor

from gateway.model.networks import Prior as Sizes
from gateway.recon.networks.denoiser import Denoiser


class Prior(Denoiser):
    """A denoiser of noise of any strength."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__(sizes)
        self.sizes = sizes

    def strengths(self, noise: Tensor) -> list[Tensor]:
        """List the strengths that it is told, each the same part of the one before. `(batch,)`, as the data's noise."""
        sizes = self.sizes
        last = (sizes.times_noise * noise).clamp(sizes.quietest, sizes.noisiest)
        share = (last / sizes.noisiest) ** (1 / (sizes.steps - 1))
        return [sizes.noisiest * share**step for step in range(sizes.steps)]
