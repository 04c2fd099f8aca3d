"""The worst that a small perturbation can do to a network, found by its gradient.

Antun 2020, doi:10.1073/pnas.1907377117. A perturbation no larger than the noise is changed step by step so that the
image changes as much as it can. In k-space it may be anything; of the image it is something that a patient could have
had, seen by the coils. Only networks have a gradient here; conventional methods meet random perturbations.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from gateway.model.image import Pixels
from gateway.recon.checks.bench import Bench
from gateway.recon.checks.view import RECIPE
from gateway.recon.coil_maps import see
from gateway.recon.fourier import fourier
from gateway.recon.methods.learned import FORWARD, unrolled
from gateway.recon.methods.together import MAPS
from gateway.recon.networks.ready import ReadyModel
from gateway.recon.networks.weights import load_network
from gateway.recon.parallel import Group, group_of, understand

STEP = 0.3
"""Of the size that is allowed; each step goes so far, and then back onto it."""
LINES = -2


@dataclass(frozen=True, slots=True, kw_only=True)
class WorstCase:
    """What was found.

    Parameters
    ----------
    growth
        How much the image changes, over what a random perturbation of the same size does.
    before, change
        The image, and what became of it less it. Shape `(y x)`.
    """

    growth: float
    before: Pixels
    change: Pixels


def worst_case(bench: Bench, *, size: float, steps: int, of_image: bool) -> WorstCase | None:
    """Look for the worst perturbation; None for a method without a gradient.

    Parameters
    ----------
    size
        Root of its energy over that of the noise of all measured samples.
    of_image
        Perturb the patient rather than k-space.
    """
    if not isinstance(bench.recipe, ReadyModel):
        return None
    with torch.inference_mode(mode=False), torch.enable_grad():
        forward, group = _forward(bench)
        samples = group.data.clone()
        lines = group.filled[:, None, :, :, None].clone().to(samples.real.dtype)
        power = bench.rerun.found.noise_power
        energy = size * (power * float(lines.sum()) * samples.shape[1] * samples.shape[-1]) ** 0.5
        maps = see(group.block, group.filled.shape[1:], RECIPE).maps[0, :, 0]

        def placed(free: Tensor) -> Tensor:
            seen = fourier(maps * free, (LINES,))[None, :, None] if of_image else free
            seen = seen * lines
            size_of_it: Tensor = torch.linalg.vector_norm(seen).clamp_min(1e-30)
            found: Tensor = seen * (energy / size_of_it)
            return found

        before = forward(samples).detach()
        start = _start(samples, bench, of_image=of_image)
        usual = float(torch.linalg.vector_norm(forward(samples + placed(start)).detach() - before))
        free = start
        for _ in range(steps):
            free = free.detach().requires_grad_()
            found = torch.linalg.vector_norm(forward(samples + placed(free)) - before)
            (slope,) = torch.autograd.grad(found, free)
            free = free / torch.linalg.vector_norm(free)
            free = free + STEP * slope / torch.linalg.vector_norm(slope).clamp_min(1e-30)
        after = forward(samples + placed(free.detach())).detach()
    change = after - before
    return WorstCase(
        growth=float(torch.linalg.vector_norm(change)) / max(usual, 1e-30),
        before=_pixels(before),
        change=_pixels(change),
    )


def _forward(bench: Bench) -> tuple[Callable[[Tensor], Tensor], Group]:
    """Give the network as a function of the samples of a frame, with nothing left out that has a gradient."""
    ready = bench.recipe
    if not isinstance(ready, ReadyModel):
        raise TypeError("only networks have a gradient")
    found = understand(bench.rerun.scan, ready.recipe, regular=False)
    network = copy.deepcopy(load_network(ready.card, ready.weights, bench.place.device))
    for weights in [*network.parameters(), *network.buffers()]:
        weights.data = weights.data.clone()  # they may have been read where nothing has a gradient
    group = group_of(found, [0], bench.place)
    published = FORWARD.get(type(ready.card.network))
    seen = None if published else see(group.block, group.filled.shape[1:], MAPS)

    def forward(samples: Tensor) -> Tensor:
        changed = replace(group, data=samples)
        if published:
            return published(network, changed, found.target).abs()
        if seen is None:
            raise AssertionError("the sensitivities are known")
        return unrolled(network, changed, seen, found).abs()

    return forward, group


def _start(samples: Tensor, bench: Bench, *, of_image: bool) -> Tensor:
    """Draw where to begin: noise in k-space, or in the patient. Shape as the samples, or `(y x)`."""
    random = np.random.default_rng(0)
    shape = bench.view.reference.shape[1:] if of_image else samples.shape
    drawn = torch.view_as_complex(torch.from_numpy(random.standard_normal((*shape, 2), np.float32))).to(samples)
    return drawn * bench.view.there[0].clone() if of_image else drawn


def _pixels(images: Tensor) -> Pixels:
    return np.asarray(images[0].reshape(images.shape[-2:]).cpu().numpy(), np.float32)
