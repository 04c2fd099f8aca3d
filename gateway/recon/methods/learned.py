"""Trained networks: undersampled Cartesian k-space of slices becomes what a network makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from gateway.model.image import ImageSeries
from gateway.model.networks import UnetNetwork, VarnetNetwork
from gateway.recon.cartesian_problem import to_target
from gateway.recon.coil_maps import Seen
from gateway.recon.coils import root_sum_of_squares
from gateway.recon.companion import recalled_seen, unfolded_for
from gateway.recon.fourier import fourier
from gateway.recon.hybrid import to_matrix
from gateway.recon.kspace import Progress
from gateway.recon.methods.first_images import FirstImages, first_images
from gateway.recon.methods.planes import plane_by_plane
from gateway.recon.methods.refined import reconstruct_refined
from gateway.recon.methods.together import BATCH, MAPS, Together, reconstruct_together
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
    begun = None if after is None else first_images(scan, after, place, found.target)
    method = _method(network, ready, found, begun)
    alone = method.sampled or method.at is not None or not OF_NOISE.isdisjoint(ready.recipe.output)
    alone = alone or type(ready.card.network) in FORWARD
    if isinstance(network, Stack) or (place.device.type in BATCH and not alone):
        volumes = found.sorter.lines.partitions.n > 1
        start = None if begun is None else begun.of_volumes if volumes else begun.of_frames
        frames = Together(scan=found, network=network, place=place, begin=start)
        album = reconstruct_together(frames, ready.recipe, progress)
    else:
        album = slice_by_slice(found, method, ready.recipe, place=place, progress=progress)
    begin = "" if after is None else f" after {after.method}"
    how = f"Made by the network {ready.card.label} ({ready.card.network.method}){begin}."
    made = series_of(album, found, (how, *tuned.notes))
    return tuple(replace(series, model=ready.taking_part) for series in made)


def _method(network: nn.Module, ready: ReadyModel, scan: Undersampled, begun: FirstImages | None) -> Method[Any]:
    """Make a method for frames one by one: of slabs, of what fastMRI's networks are given, or of all others."""
    if scan.sorter.lines.partitions.n > 1:
        return plane_by_plane(network, scan, begun)
    published = FORWARD.get(type(ready.card.network))
    if published:
        return Method(learn=lambda _: None, unfold=lambda group, _: published(network, group, scan.target))
    return Method(
        learn=lambda group: recalled_seen(scan, group, MAPS),
        unfold=lambda group, seen: unrolled(network, group, seen, scan, begun),
        sampled=isinstance(network, Diffusion),
    )


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


def unrolled(
    network: nn.Module, group: Group, seen: Seen, scan: Undersampled, begun: FirstImages | None = None
) -> Tensor:
    """Let a network that knows coils and k-space make the image. Complex; shape `(frame z y x)`, samples before it.

    Parameters
    ----------
    begun
        What it begins with instead of SENSE, of the whole scan.
    """
    shown = observe(group, seen, group.noise_power, unfolded_for(scan))
    if begun is not None:
        shown = replace(shown, start=begun.of_frames(shown.start, group))
    observed, unit = in_own_units(shown)
    made = network.samples(observed) if isinstance(network, Diffusion) else network(observed)[None]
    images = torch.stack([to_target((one * unit)[:, None, :, None], seen.maps, scan.target) for one in made])
    return images if isinstance(network, Diffusion) else images[0]


def _magnitude(hybrid: Tensor, target: Target) -> Tensor:
    """Transform lines, and combine coils by the root of the sum of squares. From `(frame coil z y x)`."""
    return root_sum_of_squares(to_matrix(hybrid, target).unbind(dim=1))


FORWARD: Mapping[type, Forward] = MappingProxyType({UnetNetwork: unet, VarnetNetwork: varnet})
"""By the network of a card: those that take what fastMRI gave them; all others are `unrolled`."""
