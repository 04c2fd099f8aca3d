"""The end-to-end variational network of fastMRI, compatible to the last key with the published weights.

Sriram 2020, doi:10.1007/978-3-030-59713-9_7. K-space is `(batch coil y x)`, centred and orthonormal, and lines are
left out along the last axis: who calls puts the phase-encoding direction there.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from gateway.recon.fourier import fourier, inverse_fourier
from gateway.recon.networks.unet import Unet

PLANE = (-2, -1)
AT_A_TIME = 4
"""Coils whose sensitivities are estimated together: nothing else takes as much memory."""


class VarNet(nn.Module):
    """Sensitivities by a network, then cascades of data consistency and a U-Net's correction."""

    def __init__(
        self,
        *,
        n_cascades: int = 12,
        sens_channels: int = 8,
        sens_pools: int = 4,
        n_channels: int = 18,
        n_pools: int = 4,
    ) -> None:
        super().__init__()
        self.sens_net = SensitivityModel(n_channels=sens_channels, n_pools=sens_pools)
        self.cascades = nn.ModuleList(
            VarNetBlock(NormUnet(n_channels=n_channels, n_pools=n_pools)) for _ in range(n_cascades)
        )

    def forward(self, kspace: Tensor, measured: Tensor, n_calibration: int) -> Tensor:
        """Reconstruct coil images.

        Parameters
        ----------
        kspace
            Complex, zero where nothing was measured. Shape `(batch coil y x)`.
        measured
            Which lines were. Boolean, broadcasts to k-space. Shape `(batch 1 1 x)`.
        n_calibration
            How many lines without gaps lie around the centre.

        Returns
        -------
            Complex. Shape `(batch coil y x)`; their root sum of squares is the image.
        """
        maps = self.sens_net(kspace, n_calibration)
        predicted = kspace
        for cascade in self.cascades:
            predicted = cascade(predicted, kspace, measured, maps)
        return inverse_fourier(predicted, PLANE)


class VarNetBlock(nn.Module):
    """One cascade: ``k - dc_weight * M (k - k0) - F S net(S^H F^H k)``."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.dc_weight = nn.Parameter(torch.ones(1))

    def forward(self, current: Tensor, reference: Tensor, measured: Tensor, maps: Tensor) -> Tensor:
        """Take one step. K-space and maps have shape `(batch coil y x)`."""
        image = (inverse_fourier(current, PLANE) * maps.conj()).sum(dim=1, keepdim=True)
        correction = fourier(self.model(image) * maps, PLANE)
        return current - self.dc_weight * (current - reference) * measured - correction


class SensitivityModel(nn.Module):
    """Coil sensitivities of norm 1 from the lines around the centre, each coil's on its own."""

    def __init__(self, *, n_channels: int, n_pools: int) -> None:
        super().__init__()
        self.norm_unet = NormUnet(n_channels=n_channels, n_pools=n_pools)

    def forward(self, kspace: Tensor, n_calibration: int) -> Tensor:
        """Give the maps. Shape `(batch coil y x)`."""
        first = (kspace.shape[-1] - n_calibration + 1) // 2
        centre = torch.zeros_like(kspace)
        centre[..., first : first + n_calibration] = kspace[..., first : first + n_calibration]
        coils = inverse_fourier(centre, PLANE)
        each = coils.flatten(0, 1).unsqueeze(1)
        few = (each[at : at + AT_A_TIME] for at in range(0, len(each), AT_A_TIME))
        maps = torch.cat([self.norm_unet(some) for some in few]).reshape(coils.shape)
        norm: Tensor = torch.linalg.vector_norm(maps, dim=1, keepdim=True)
        return maps / norm


class NormUnet(nn.Module):
    """A U-Net on real and imaginary part, each brought to mean 0 and deviation 1 on the way in, and back."""

    def __init__(self, *, n_channels: int, n_pools: int) -> None:
        super().__init__()
        self.unet = Unet(2, 2, n_channels=n_channels, n_pools=n_pools)

    def forward(self, image: Tensor) -> Tensor:
        """Map complex images to complex images. Shape `(batch 1 y x)`."""
        parts = torch.view_as_real(image.squeeze(1)).movedim(-1, 1)
        deviation, mean = torch.std_mean(parts, dim=(2, 3), keepdim=True)
        n_y, n_x = parts.shape[2:]
        top, left = (_margin(n) for n in (n_y, n_x))
        padded = functional.pad((parts - mean) / deviation, (*left, *top))
        made = self.unet(padded)[..., top[0] : top[0] + n_y, left[0] : left[0] + n_x]
        return torch.view_as_complex((made * deviation + mean).movedim(1, -1).contiguous()).unsqueeze(1)


def _margin(n: int) -> tuple[int, int]:
    """Fill up to a multiple of 16, as the published weights were trained."""
    lacks = 16 * math.ceil(n / 16) - n
    return lacks // 2, lacks - lacks // 2
