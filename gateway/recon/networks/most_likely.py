"""The most likely image by the data and a learned prior (maximum a posteriori).

The prior is known by its score. So did Liu 2020, doi:10.1002/mrm.28005, by a denoising autoencoder; Tezcan 2019,
doi:10.1109/TMI.2018.2887072, by a variational one; Luo 2020, doi:10.1002/mrm.28274, by a pixel-wise network. Steps have
momentum (Beck 2009, doi:10.1137/080716542): uphill along the prior, then the data exactly.
"""

from __future__ import annotations

import math

from torch import Tensor

from gateway.recon.networks.observed import Observed
from gateway.recon.networks.prior import Prior
from gateway.recon.networks.residual import QUIETEST
from gateway.recon.networks.solving import Nearest


class MostLikely(Prior):
    """Where it stands still, data and score are in balance."""

    def forward(self, seen: Observed) -> Tensor:
        """Climb while the noise that the prior allows for falls. Complex. Shape `(batch x y)`."""
        image = point = seen.start
        momentum, nearest = 1.0, Nearest(seen, self.sizes.cg_steps)
        for way, strength in enumerate(self.strengths(seen.noise)):
            before = image
            weight = (seen.noise.clamp_min(QUIETEST) / strength).square()[:, None, None]
            image = nearest(self.expected(point, strength, way=way), weight)
            following = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
            point = image + (momentum - 1) / following * (image - before)
            momentum = following
        return image
