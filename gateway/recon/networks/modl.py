"""MoDL: one small network and the data take turns (Aggarwal 2019, doi:10.1109/TMI.2018.2865356)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gateway.model.networks import ModlNetwork
from gateway.recon.networks.observed import Observed
from gateway.recon.networks.residual import QUIETEST, ResidualNetwork, noise_channel, to_channels, to_complex
from gateway.recon.networks.solving import Nearest

DOUBT = 0.06
"""How far off the network's image is at first thought to be, relative to the bright parts."""


class Modl(nn.Module):
    """Shared weights; data are weighed against the network's image by their noise and by its learned error."""

    def __init__(self, sizes: ModlNetwork) -> None:
        super().__init__()
        self.net = ResidualNetwork(sizes, n_in=5)
        self.log_doubt = nn.Parameter(torch.full((sizes.n_unrolls,), DOUBT).log())
        self.cg_steps = sizes.cg_steps

    def forward(self, seen: Observed) -> Tensor:
        """Reconstruct. Complex. Shape `(batch x y)`."""
        image = seen.start
        context = torch.cat(
            [noise_channel(seen.noise, image), seen.brightness[:, None], seen.start.abs()[:, None]], dim=1
        )
        nearest = Nearest(seen, self.cg_steps)
        for log_doubt in self.log_doubt:
            guess = to_complex(self.net(torch.cat([to_channels(image), context], dim=1)))
            weight = (seen.noise.clamp_min(QUIETEST) / log_doubt.exp()).square()[:, None, None]
            image = nearest(guess, weight)
        return image
