"""Every network as a map from what was observed to images, those with published weights too."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gateway.recon.fourier import fourier, inverse_fourier
from gateway.recon.networks.observed import Observed
from gateway.recon.networks.scope import calibration_lines
from gateway.recon.networks.unet import Unet
from gateway.recon.networks.varnet import VarNet

FARTHEST = 6.0
"""Input of the U-Net is cut at so many standard deviations, as in its training."""


def image_of(network: nn.Module, seen: Observed) -> Tensor:
    """Let a network reconstruct; complex, or a magnitude. Shape `(batch x y)`."""
    if isinstance(network, Unet):
        return cleaned(network, _sum_of_squares(inverse_fourier(seen.data, (-1,))).transpose(-2, -1)).transpose(-2, -1)
    if isinstance(network, VarNet):
        measured = seen.filled[:, None] > 0
        n_calibration = calibration_lines(measured[0, 0, 0].cpu().numpy())
        return _sum_of_squares(network(fourier(seen.data, (-2,)), measured, n_calibration))
    made: Tensor = network(seen)
    return made


def cleaned(network: nn.Module, magnitude: Tensor) -> Tensor:
    """Let a U-Net clean magnitudes, each in its own unit. Shape `(batch y x)`."""
    deviation, mean = torch.std_mean(magnitude, dim=(1, 2), keepdim=True)
    tiny = torch.finfo(deviation.dtype).tiny
    normal = ((magnitude - mean) / deviation.clamp_min(tiny)).clamp(-FARTHEST, FARTHEST)
    made: Tensor = network(normal[:, None])[:, 0] * deviation + mean
    return made.clamp_min(0)


def _sum_of_squares(coils: Tensor) -> Tensor:
    """Combine coil images `(batch coil x y)`."""
    return coils.abs().square().sum(dim=1).clamp_min(1e-30).sqrt()
