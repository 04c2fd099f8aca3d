"""A cascade of networks with the data after each (D5C5; Schlemper 2018, doi:10.1109/TMI.2017.2760978).

With several coils the data are put into the k-space that the coils would have seen (VS-Net; Duan 2019,
doi:10.1007/978-3-030-32251-9_78).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gateway.model.networks import CascadeNetwork
from gateway.recon.networks.observed import Observed, of_each
from gateway.recon.networks.residual import QUIETEST, ResidualNetwork, noise_channel, to_channels, to_complex

DOUBT = 0.06
"""How far off a network's samples are at first thought to be, relative to the bright parts."""


class Cascade(nn.Module):
    """Every network has weights of its own."""

    def __init__(self, sizes: CascadeNetwork) -> None:
        super().__init__()
        self.nets = nn.ModuleList(ResidualNetwork(sizes, n_in=3) for _ in range(sizes.n_cascades))
        self.log_doubt = nn.Parameter(torch.full((sizes.n_cascades,), DOUBT).log())
        self.hard = sizes.consistency == "hard"

    def forward(self, seen: Observed) -> Tensor:
        """Reconstruct. Complex. Shape `(batch x y)`."""
        image = seen.start
        noise = noise_channel(seen.noise, image)
        for net, log_doubt in zip(self.nets, self.log_doubt, strict=True):
            guess = to_complex(net(torch.cat([to_channels(image), noise], dim=1)))
            share = torch.ones_like(seen.noise) if self.hard else share_of(seen.noise, log_doubt.exp())
            image = consistent(seen, guess, share)
        return image


def share_of(noise: Tensor, doubt: Tensor) -> Tensor:
    """Weigh a sample against a network's by the power of their errors. Shape `(batch,)`."""
    return 1 / (1 + (noise.clamp_min(QUIETEST) / doubt).square())


def consistent(seen: Observed, image: Tensor, share: Tensor) -> Tensor:
    """Put measured samples in the place of an image's, by a share from 0 to 1 `(batch,)`. Shape `(batch *space)`."""
    transform = seen.transform
    kspace = transform.apply(image)
    measured = (of_each(share, seen.filled) * seen.filled)[:, None]
    return image + transform.adjoint(measured * (seen.data - kspace))
