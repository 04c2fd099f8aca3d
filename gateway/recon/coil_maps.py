"""What calibration shows of a slice or a slab: how coils see it, and how bright it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

from gateway.model.recipes import Combining, Unfolding
from gateway.recon.adaptive import adaptive, inati, walsh
from gateway.recon.fourier import fourier, inverse_fourier, resize
from gateway.recon.magnitudes import norm, power as power_of
from gateway.recon.sensitivities import Sensitivities, espirit
from gateway.recon.smooth import coarse, enlarged, in_phase, low_resolution, reference_coil
from gateway.recon.space import Target

DARKEST = 1e-3
"""A pixel is expected to have at least this share of the mean power: calibration does not see small things."""
DOUBTFUL, SURE = 0.8, 0.95
"""How far a second set of maps must explain the calibration to count in part, and to count in full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What calibration shows.

    Parameters
    ----------
    maps
        Shape `(set coil z y x)`.
    prior
        Expected power of each pixel, never zero. Shape `(set z y x)`.
    """

    maps: Tensor
    prior: Tensor

    def at(self, some: slice, device: torch.device) -> Seen:
        """Take some positions x to a device."""
        return Seen(maps=self.maps[..., some].to(device), prior=self.prior[..., some].to(device))


def see(block: Tensor, lines: Sequence[int], recipe: Unfolding) -> Seen:
    """Estimate sensitivities and brightness.

    Parameters
    ----------
    block
        Calibration in hybrid space. Shape `(coil z y x)`.
    lines
        How many partitions and lines a whole scan has.
    """
    kspace = fourier(block, (-1,))
    maps = coil_maps(kspace, (lines[0], lines[1], block.shape[-1]), recipe.coils, n_sets=recipe.map_sets)
    shown = torch.zeros_like(maps[:, 0])
    for seen, coil in zip(maps.unbind(dim=1), kspace, strict=True):  # coil images are not in memory together
        shown.addcmul_(seen.conj(), low_resolution(coil, maps.shape[2:]))
    power = power_of(shown)
    floor = DARKEST * power.mean().clamp_min(torch.finfo(power.dtype).tiny)
    return Seen(maps=maps, prior=power + floor)


def maps_for(block: Tensor, target: Target, recipe: Combining) -> Tensor | None:
    """Estimate sensitivities over the matrix that is wanted, to combine coil images; None for the sum of squares.

    Parameters
    ----------
    block
        Calibration in hybrid space. Shape `(coil z y x)`.

    Returns
    -------
        Shape `(coil z y x)`.
    """
    if recipe.combines_by is None:
        return None
    shape = (target.grid.z, target.grid.y, block.shape[-1])
    maps = coil_maps(fourier(block, (-1,)), shape, recipe.combines_by)[0]
    return resize(resize(maps, -3, target.matrix.z), -2, target.matrix.y)


def coil_maps(kspace: Tensor, shape: tuple[int, int, int], how: str, *, n_sets: int = 1) -> Tensor:
    """Estimate sensitivities over an image of a shape.

    Parameters
    ----------
    kspace
        Calibration, without gaps. Shape `(coil z y x)`.
    how
        As recipes name it.

    Returns
    -------
        Of norm 1, a second set less where it is doubtful. Shape `(set coil z y x)`.
    """
    if how in ADAPTIVE:
        return adaptive(kspace, shape, ADAPTIVE[how])[None]
    return _espirit(kspace, shape, n_sets)


ADAPTIVE: Mapping[str, Callable[[Tensor], Tensor]] = MappingProxyType({"walsh": walsh, "inati": inati})
"""By the recipe's name; anything else is ESPIRiT."""


def _espirit(kspace: Tensor, shape: tuple[int, int, int], n_sets: int) -> Tensor:
    """Link coils over the axes along which lines may be missing; in 3D at some positions x, all in one phase."""
    n_z, n_y, n_x = shape
    if n_z == 1:
        return _soft(espirit(kspace[:, 0], n_y=n_y, n_x=n_x, n_sets=n_sets)).unsqueeze(2)
    (n_coarse,) = coarse((n_x,))
    planes = inverse_fourier(resize(kspace, -1, n_coarse), (-1,)).unbind(dim=-1)
    maps = torch.stack([_soft(espirit(plane, n_y=n_z, n_x=n_y, n_sets=n_sets)) for plane in planes], dim=-1)
    maps = in_phase(maps, reference=reference_coil(low_resolution(kspace, kspace.shape[1:])))
    weights = enlarged(norm(maps, 1).to(maps.dtype), shape).real.clamp(0, 1)
    found = maps.new_empty((n_sets, len(kspace), *shape))
    for coil, fine in zip(maps.unbind(dim=1), found.unbind(dim=1), strict=True):
        fine.copy_(enlarged(coil, shape))
    size = norm(found, 1)
    found *= (weights / size.clamp_min(torch.finfo(size.dtype).tiny)).unsqueeze(1)
    return found


def _soft(found: Sensitivities) -> Tensor:
    """Let a second set count as far as it explains the calibration: elsewhere it would only hold noise.

    Uecker 2013, doi:10.1002/mrm.24751, crops maps by their eigenvalue; a soft edge leaves no seam.
    """
    sure = ((found.explained[1:] - DOUBTFUL) / (SURE - DOUBTFUL)).clamp(0, 1)
    weights = torch.cat([torch.ones_like(found.explained[:1]), sure * sure * (3 - 2 * sure)])
    return found.maps * weights.unsqueeze(1)


def joined_sets(images: Tensor, maps: Tensor) -> Tensor:
    """Join the images of several sets of sensitivities.

    Parameters
    ----------
    images
        Shape `(frame set z y x)`.
    maps
        By which they were made. Shape `(set coil z y x)`.

    Returns
    -------
        Complex: the magnitude of what the coils show of all sets, in the phase of the largest. Shape `(frame z y x)`.
    """
    if len(maps) == 1:
        return images[:, 0]
    shown = images * torch.linalg.vector_norm(maps, dim=1)
    size: Tensor = torch.linalg.vector_norm(shown, dim=1)
    largest = shown.gather(1, shown.abs().argmax(dim=1, keepdim=True))[:, 0]
    return torch.polar(size, largest.angle())
