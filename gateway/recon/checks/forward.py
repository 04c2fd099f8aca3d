"""The method on the bench as a function of what is added to k-space; where it can be differentiated, it says so.

Most methods and networks are run on tensors that carry their gradient, with kernels and sensitivities as the scan's own
calibration gives them. All others are run whole, calibration included, as a job does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from gateway.model.recipes import (
    AutoRecipe,
    CgSenseRecipe,
    Compressing,
    FftRecipe,
    GrappaRecipe,
    L1WaveletRecipe,
    Recipe,
    SenseRecipe,
    SpiritRecipe,
    TvRecipe,
)
from gateway.recon.checks.bench import Bench
from gateway.recon.checks.rerun import nothing_said
from gateway.recon.checks.sparse_forward import l1_wavelet, sparse, tv
from gateway.recon.coils import combine
from gateway.recon.hybrid import to_matrix
from gateway.recon.methods.auto import pick_recipe
from gateway.recon.methods.grappa import filling, with_gaps
from gateway.recon.methods.learned import FORWARD, unrolled
from gateway.recon.methods.planes import plane_by_plane
from gateway.recon.methods.sense import cg_sense, sense
from gateway.recon.methods.spirit import agreeing, exactly
from gateway.recon.methods.together import MAPS
from gateway.recon.networks.diffusion import Diffusion
from gateway.recon.networks.ready import ReadyModel
from gateway.recon.networks.stack import Stack
from gateway.recon.networks.weights import load_network
from gateway.recon.parallel import Group, Undersampled, group_of, understand
from gateway.recon.scan import Scan
from gateway.recon.slice_by_slice import Method


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """A method, and what it makes of the frame on the bench.

    Parameters
    ----------
    image
        From what is added to the measured lines, `(coil line sample)` in the units of the view, to a magnitude
        `(z y x)`.
    differentiable
        Whether gradients go through it.
    """

    image: Callable[[Tensor], Tensor]
    differentiable: bool


Unfolding = tuple[Undersampled, Method[Any]]


def _fft(scan: Scan, recipe: FftRecipe) -> Unfolding:
    found = understand(scan, recipe, regular=False)

    def learn(group: Group) -> Tensor | None:
        return group.combining_maps(found.target, recipe)

    def unfold(group: Group, maps: Tensor | None) -> Tensor:
        return combine(to_matrix(group.data[0], found.target), maps)[None]

    return found, Method(learn=learn, unfold=unfold)


def _sense(scan: Scan, recipe: SenseRecipe) -> Unfolding:
    found = understand(scan, recipe)
    return found, sense(found, recipe)


def _cg_sense(scan: Scan, recipe: CgSenseRecipe) -> Unfolding:
    found = understand(scan, recipe)
    return found, cg_sense(found, recipe)


def _grappa(scan: Scan, recipe: GrappaRecipe) -> Unfolding:
    found, kernel = with_gaps(scan, recipe, nothing_said)
    return found, filling(found, kernel, recipe)


def _spirit(scan: Scan, recipe: SpiritRecipe) -> Unfolding:
    found = understand(scan, recipe, regular=False)
    return found, agreeing(found, recipe, exactly(recipe))


DIFFERENTIABLE: Mapping[type, Callable[[Scan, Any], Unfolding]] = MappingProxyType(
    {
        FftRecipe: _fft,
        SenseRecipe: _sense,
        CgSenseRecipe: _cg_sense,
        GrappaRecipe: _grappa,
        SpiritRecipe: _spirit,
        L1WaveletRecipe: sparse(l1_wavelet),
        TvRecipe: sparse(tv),
    }
)
"""Conventional methods that gradients go through."""


def forward_of(bench: Bench, recipe: Recipe | ReadyModel | None = None) -> Forward:
    """Give the method on the bench, or another one for the same frame, as a function.

    Raises
    ------
    BadScan
        The method refuses the frame.
    """
    recipe = recipe or bench.recipe
    scan = replace(bench.rerun.scan, memory=None)  # what was found without gradients is of no use here
    if isinstance(recipe, AutoRecipe):
        recipe = pick_recipe(scan, recipe).recipe
    unfolding = _of_network(bench, scan, recipe) if isinstance(recipe, ReadyModel) else _conventional(scan, recipe)
    if unfolding is None:
        return Forward(image=bench.with_samples, differentiable=False)
    return Forward(image=_unfolded(bench, *unfolding), differentiable=True)


def _conventional(scan: Scan, recipe: Recipe) -> Unfolding | None:
    virtual = isinstance(recipe, Compressing) and recipe.virtual_coils is not None
    make = DIFFERENTIABLE.get(type(recipe))
    return None if make is None or virtual else make(scan, recipe)


def _of_network(bench: Bench, scan: Scan, ready: ReadyModel) -> Unfolding | None:
    """Take a network as it is in its file; none that samples, needs other frames, or begins with another recipe."""
    if ready.recipe.after is not None:
        return None
    network = load_network(ready.card, ready.weights, bench.place.device)
    if isinstance(network, Diffusion | Stack):
        return None
    found = understand(scan, ready.recipe, regular=False)
    if found.sorter.lines.partitions.n > 1:
        return found, plane_by_plane(network, found, None)
    published = FORWARD.get(type(ready.card.network))
    if published:
        return found, Method(learn=lambda _: None, unfold=lambda group, _: published(network, group, found.target))
    return found, Method(
        learn=lambda group: group.see(MAPS),
        unfold=lambda group, seen: unrolled(network, group, seen, found),
    )


def _unfolded(bench: Bench, found: Undersampled, method: Method[Any]) -> Callable[[Tensor], Tensor]:
    group = group_of(found, [0], bench.place)
    with torch.no_grad():
        learned = method.learn(group)

    def image(added: Tensor) -> Tensor:
        data = group.data.clone()
        data[0][:, group.filled[0]] += added
        made: Tensor = method.unfold(replace(group, data=data), learned)
        return made[0].abs()

    return image
