"""KIKI: networks in k-space and in the image by turns, with the data between them (Eo 2018, doi:10.1002/mrm.27201)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gateway.model.networks import KikiNetwork
from gateway.recon.fourier import fourier, inverse_fourier
from gateway.recon.networks.cascade import consistent
from gateway.recon.networks.observed import Observed
from gateway.recon.networks.residual import ResidualNetwork, noise_channel, to_channels, to_complex

PLANE = (-2, -1)


class Kiki(nn.Module):
    """In k-space every coil is an image of its own to the same network."""

    def __init__(self, sizes: KikiNetwork) -> None:
        super().__init__()
        self.k_nets = nn.ModuleList(ResidualNetwork(sizes, n_in=2) for _ in range(sizes.n_turns))
        self.i_nets = nn.ModuleList(ResidualNetwork(sizes, n_in=3) for _ in range(sizes.n_turns))

    def forward(self, seen: Observed) -> Tensor:
        """Reconstruct. Complex. Shape `(batch x y)`."""
        image, all_of_it = seen.start, torch.ones_like(seen.noise)
        for k_net, i_net in zip(self.k_nets, self.i_nets, strict=True):
            image = _completed(k_net, image, seen)
            guess = i_net(torch.cat([to_channels(image), noise_channel(seen.noise, image)], dim=1))
            image = consistent(seen, to_complex(guess), all_of_it)
        return image


def _completed(k_net: nn.Module, image: Tensor, seen: Observed) -> Tensor:
    """Let a network correct the k-space of every coil; measured lines stay. Shape `(batch x y)`."""
    hybrid = seen.transform.apply(image)
    images = tuple(axis for axis in PLANE if axis not in seen.axes)
    kspace = fourier(hybrid, images).flatten(0, 1)
    size = kspace.abs().amax(dim=(1, 2), keepdim=True).clamp_min(torch.finfo(kspace.real.dtype).tiny ** 0.5)
    made = to_complex(k_net(to_channels(kspace / size))) * size
    filled = inverse_fourier(made.reshape(hybrid.shape), images)
    measured = seen.filled[:, None]
    return seen.transform.adjoint(torch.where(measured > 0, seen.data, filled))
