"""Trained networks: undersampled Cartesian k-space of slices becomes what a network makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from gateway.model.image import ImageKind, ImageSeries, Pixels
from gateway.model.networks import UnetNetwork, VarnetNetwork
from gateway.model.recipes import Recipe, SenseRecipe
from gateway.recon.cartesian_problem import to_target
from gateway.recon.coil_maps import Seen, see
from gateway.recon.coils import root_sum_of_squares
from gateway.recon.fourier import fourier, inverse_fourier, resize
from gateway.recon.hybrid import to_matrix
from gateway.recon.kspace import Progress
from gateway.recon.methods.conventional import CONVENTIONAL
from gateway.recon.methods.refined import complex_only, reconstruct_refined
from gateway.recon.methods.together import BATCH, Together, reconstruct_together
from gateway.recon.networks.diffusion import Diffusion
from gateway.recon.networks.forward import cleaned
from gateway.recon.networks.observed import in_own_units, observe
from gateway.recon.networks.ready import ReadyModel
from gateway.recon.networks.scope import calibration_lines
from gateway.recon.networks.stack import Stack
from gateway.recon.networks.weights import ready_network
from gateway.recon.parallel import Group, Undersampled, series_of, understand
from gateway.recon.pictures import OF_NOISE
from gateway.recon.scan import Scan
from gateway.recon.slice_by_slice import Method, slice_by_slice
from gateway.recon.space import Target
from gateway.recon.workplace import Workplace

Forward = Callable[[nn.Module, Group, Target], Tensor]
"""From frames to magnitudes of the matrix that is wanted. Shape `(frame z y x)`."""

MAPS = SenseRecipe()
"""How sensitivities are estimated for networks that have none of their own."""


def reconstruct_learned(
    scan: Scan, ready: ReadyModel, *, place: Workplace, progress: Progress
) -> tuple[ImageSeries, ...]:
    """Let a network reconstruct every frame.

    Raises
    ------
    BadScan
        The scan is not Cartesian, or there is too little calibration.
    BadModel
        The weights are not what the card says.
    """
    if ready.refines is not None:
        return reconstruct_refined(scan, ready, ready.refines, place=place, progress=progress)
    progress(0.0, "sorting readouts into k-space")
    found = understand(scan, ready.recipe, regular=False)
    tuned = ready_network(ready, place.device)
    network, after = tuned.network, ready.recipe.after
    begun = None if after is None else first_images(scan, after, place)
    published = FORWARD.get(type(ready.card.network))
    method: Method[Any]
    if published:
        method = Method(learn=lambda _: None, unfold=lambda group, _: published(network, group, found.target))
    else:
        method = Method(
            learn=lambda group: see(group.block, group.filled.shape[1:], MAPS),
            unfold=lambda group, seen: unrolled(network, group, seen, found, begun),
            sampled=isinstance(network, Diffusion),
        )
    alone = method.sampled or published is not None or not OF_NOISE.isdisjoint(ready.recipe.output)
    if isinstance(network, Stack) or (place.device.type in BATCH and not alone):
        start = None if begun is None else partial(_on_lines, begun, scan=found)
        frames = Together(scan=found, network=network, place=place, begin=start)
        album = reconstruct_together(frames, ready.recipe, progress)
    else:
        album = slice_by_slice(found, method, ready.recipe, place=place, progress=progress)
    begin = "" if after is None else f" after {after.method}"
    how = f"Made by the network {ready.card.label} ({ready.card.network.method}){begin}."
    made = series_of(album, found, (how, *tuned.notes))
    return tuple(replace(series, model=ready.taking_part) for series in made)


def unet(network: nn.Module, group: Group, target: Target) -> Tensor:
    """Let a U-Net clean the root sum of squares of what was measured, slice by slice in its own unit."""
    return cleaned(network, _magnitude(group.data, target)[:, 0])[:, None]


def varnet(network: nn.Module, group: Group, target: Target) -> Tensor:
    """Let an E2E-VarNet complete k-space; its lines lie along the last axis."""
    kspace = fourier(group.data[:, :, 0], (-1,)).transpose(-2, -1)
    measured = group.filled[:, None]
    n_calibration = calibration_lines(group.filled[0, 0].cpu().numpy())
    coils: Tensor = network(kspace, measured, n_calibration)
    hybrid = fourier(coils.transpose(-2, -1), (-2,))
    return _magnitude(hybrid.unsqueeze(2), target)


def unrolled(network: nn.Module, group: Group, seen: Seen, scan: Undersampled, begun: Pixels | None = None) -> Tensor:
    """Let a network that knows coils and k-space make the image. Complex; shape `(frame z y x)`, samples before it.

    Parameters
    ----------
    begun
        What it begins with instead of SENSE, of the whole scan. Complex. Shape `(frame y x)`.
    """
    shown = observe(group, seen, group.noise_power)
    if begun is not None:
        shown = replace(shown, start=_on_lines(begun, shown.start, group, scan=scan))
    observed, unit = in_own_units(shown)
    made = network.samples(observed) if isinstance(network, Diffusion) else network(observed)[None]
    images = torch.stack([to_target((one * unit)[:, None, :, None], seen.maps, scan.target) for one in made])
    return images if isinstance(network, Diffusion) else images[0]


def first_images(scan: Scan, recipe: Recipe, place: Workplace) -> Pixels:
    """Make the images that a network begins with, in the phase of ESPIRiT's maps. Complex. Shape `(frame y x)`.

    Raises
    ------
    BadScan
        The recipe refuses the scan.
    """
    asked = complex_only(recipe, coils="espirit")
    made = CONVENTIONAL[type(recipe)](scan, asked, place=place, progress=lambda _done, _doing: None)
    return next(one.pixels for one in made if one.kind is ImageKind.COMPLEX)


def _on_lines(begun: Pixels, start: Tensor, group: Group, *, scan: Undersampled) -> Tensor:
    """Bring images of the matrix to the encoded lines; what lies outside is SENSE's. From and to `(frame x y)`."""
    n_y, n_grid, n_matrix = start.shape[-1], scan.target.grid.y, scan.target.matrix.y
    around = regridded(start, n_grid)
    inner = torch.from_numpy(begun[list(group.numbers)]).to(start).transpose(-2, -1) / group.scale
    first = n_grid // 2 - min(n_grid, n_matrix) // 2
    around[..., first : first + min(n_grid, n_matrix)] = resize(inner, -1, min(n_grid, n_matrix))
    return regridded(around, n_y)


def regridded(images: Tensor, n: int) -> Tensor:
    """Change the number of pixels along the last axis, as zero-filling does."""
    if images.shape[-1] == n:
        return images.clone()
    return inverse_fourier(resize(fourier(images, (-1,)), -1, n), (-1,))


def _magnitude(hybrid: Tensor, target: Target) -> Tensor:
    """Transform lines, and combine coils by the root of the sum of squares. From `(frame coil z y x)`."""
    return root_sum_of_squares(to_matrix(hybrid, target).unbind(dim=1))


FORWARD: Mapping[type, Forward] = MappingProxyType({UnetNetwork: unet, VarnetNetwork: varnet})
"""By the network of a card: those that take what fastMRI gave them; all others are `unrolled`."""
