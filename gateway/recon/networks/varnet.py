"""The end-to-end variational network of fastMRI, compatible to the last key with the published weights.

Sriram 2020, doi:10.1007/978-3-030-59713-9_7. K-space is `(batch coil y x)`, centred and orthonormal, and lines are
left out along the last axis: who calls puts the phase-encoding direction there.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from gateway.recon.fourier import inverse_fourier
from gateway.recon.networks.unet import Unet

PLANE = (-2, -1)
AT_A_TIME = 4
"""Coils that are computed together: nothing else takes as much memory, and so few stay in a processor's cache."""


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
        maps, coils = self.sens_net(kspace, n_calibration), inverse_fourier(kspace, PLANE)
        lines = torch.fft.ifftshift(measured, dim=-1).to(maps.dtype)
        start = (maps.conj() * coils).sum(dim=1, keepdim=True)
        told = kept = torch.zeros_like(start)
        for cascade in self.cascades:
            told, kept = cascade(start - told + _seen_again(told - kept, maps, lines), told, kept)
        made: Tensor = coils + _on_lines((told - kept) * maps, lines) - told * maps
        return made


class VarNetBlock(nn.Module):
    """One cascade: ``k - dc_weight * M (k - k0) - F S net(S^H F^H k)``.

    K-space itself is never made: it begins as what was measured, and all that is ever taken off is F S of images, of
    which measured lines (M) keep less at each step. So ``k = k0 - F S told + M F S (told - kept)`` with two images: the
    sum of what the networks told, and what measured lines keep of it.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.dc_weight = nn.Parameter(torch.ones(1))

    def forward(self, image: Tensor, told: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
        """Take one step from the image that all coils see together. Complex. Shape `(batch 1 y x)`."""
        correction = self.model(image)
        return told + correction, (1 - self.dc_weight) * kept + correction


def _seen_again(image: Tensor, maps: Tensor, lines: Tensor) -> Tensor:
    """Give what all coils together see of an image on measured lines, as an image. Shape `(batch 1 y x)`."""
    few = (some.conj() * _on_lines(image * some, lines) for some in torch.split(maps, AT_A_TIME, dim=1))
    return torch.stack([one.sum(dim=1, keepdim=True) for one in few]).sum(dim=0)


def _on_lines(coils: Tensor, lines: Tensor) -> Tensor:
    """Keep of coil images what measured lines tell, the one at the centre of k-space first.

    That is a convolution, so nothing has to be shifted for it.
    """
    told: Tensor = torch.fft.ifft(torch.fft.fft(coils, dim=-1).mul_(lines), dim=-1)
    return told


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
        power = torch.view_as_real(maps).square().sum(dim=(1, -1)).unsqueeze(1)  # the norm of complex ones takes longer
        return maps / power.sqrt()


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
