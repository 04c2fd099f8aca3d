"""The worst that a small perturbation can do to a method: by its gradient, or by trying where it has none.

Antun 2020, doi:10.1073/pnas.1907377117. A perturbation no larger than the noise is changed step by step so that the
image changes as much as it can. In k-space it may be anything; of the image it is something that a patient could have
had, seen by the coils. Without a gradient each step tries a few directions and goes where their differences lead
(simultaneous perturbation, Spall 1992, doi:10.1109/9.119632); the first of them is the gradient of SENSE on the same
lines, which finds what coils tell apart badly for every method alike (a prior that is transferred: Cheng 2019,
arXiv:1906.06919).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import torch
from torch import Tensor

from gateway.model.image import Pixels
from gateway.model.recipes import SenseRecipe
from gateway.recon.checks.bench import Bench
from gateway.recon.checks.forward import forward_of

STEP = 0.3
"""Of the size that is allowed; each step goes so far, and then back onto it."""
TRIED = 0.1
"""Of the size that is allowed; so far along each direction a method without a gradient is tried."""
RANDOM = 2
"""Directions that are drawn for each step, beside that of SENSE's gradient."""
TINY = 1e-30

Change = Callable[[Tensor], Tensor]
"""From a direction to how much the image changes along it."""
Look = Callable[[Tensor], tuple[float, Tensor]]
"""From a direction to how much the image changes along it, and where to turn so that it changes more."""


class Search(StrEnum):
    """How the worst was looked for."""

    GRADIENT = "by its gradient"
    TRIALS = "by trials along the gradient of SENSE and at random"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorstCase:
    """What was found.

    Parameters
    ----------
    growth
        How much the image changes, over what a random perturbation of the same size does.
    before, change
        The image, and what became of it less it. Shape `(z y x)`.
    """

    growth: float
    search: Search
    before: Pixels
    change: Pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What a perturbation may be.

    Parameters
    ----------
    size
        Root of its energy over that of the noise of all measured samples.
    of_image
        Perturb the patient rather than k-space.
    """

    size: float
    of_image: bool


def worst_case(bench: Bench, budget: Budget, *, steps: int) -> WorstCase:
    """Look for the worst perturbation.

    Raises
    ------
    BadScan
        The method refuses the frame, or SENSE does, by whose gradient it is looked for.
    """
    with torch.inference_mode(mode=False):
        forward = forward_of(bench)
        placed, start = _placed(bench, budget), _start(bench, budget)
        with torch.no_grad():
            before = forward.image(torch.zeros_like(placed(start)))

        def changed(direction: Tensor) -> Tensor:
            return _norm(forward.image(placed(direction)) - before)

        look = _gradient(changed) if forward.differentiable else _trials(bench, changed, placed)
        with torch.no_grad():
            usual = float(changed(start))
            change = forward.image(placed(_climb(start, look, steps))) - before
    return WorstCase(
        growth=float(_norm(change)) / max(usual, TINY),
        search=Search.GRADIENT if forward.differentiable else Search.TRIALS,
        before=_pixels(before),
        change=_pixels(change),
    )


def _climb(start: Tensor, look: Look, steps: int) -> Tensor:
    """Go uphill; gives the direction along which the image changed most on the way."""
    direction = best = _unit(start)
    most = 0.0
    for _ in range(steps):
        height, slope = look(direction)
        if height > most:
            most, best = height, direction
        direction = _unit(direction + STEP * slope)
    return direction if look(direction)[0] > most else best


def _gradient(changed: Change) -> Look:
    def look(direction: Tensor) -> tuple[float, Tensor]:
        with torch.enable_grad():
            free = direction.detach().requires_grad_()
            height = changed(free)
            (slope,) = torch.autograd.grad(height, free)
        return float(height.detach()), _unit(slope.nan_to_num())  # a root of zero has none

    return look


def _trials(bench: Bench, changed: Change, placed: Callable[[Tensor], Tensor]) -> Look:
    """Go along differences in a few directions: the gradient of SENSE, and some at random."""
    sense = forward_of(bench, SenseRecipe())
    with torch.no_grad():
        still = sense.image(torch.zeros_like(bench.view.data))
    transferred = _gradient(lambda direction: _norm(sense.image(placed(direction)) - still))
    random = np.random.default_rng(1)

    def look(direction: Tensor) -> tuple[float, Tensor]:
        tried = [transferred(direction)[1], *(_drawn(random, direction) for _ in range(RANDOM))]
        height = float(changed(direction))
        gains = [float(changed(direction + TRIED * one)) - height for one in tried]
        return height, _unit(torch.stack([gain * one for gain, one in zip(gains, tried, strict=True)]).sum(dim=0))

    return look


def _placed(bench: Bench, budget: Budget) -> Callable[[Tensor], Tensor]:
    """Give what makes a perturbation of the allowed size out of a direction. Shape `(coil line sample)`."""
    view = bench.view
    energy = budget.size * (view.noise_power * view.data.numel()) ** 0.5

    def placed(direction: Tensor) -> Tensor:
        samples = view.encoding.seen(direction) if budget.of_image else direction
        found: Tensor = samples * (energy / _norm(samples).clamp_min(TINY))
        return found

    return placed


def _start(bench: Bench, budget: Budget) -> Tensor:
    """Draw where to begin: noise on the measured lines `(coil line sample)`, or in the patient `(z y x)`."""
    view, random = bench.view, np.random.default_rng(0)
    if budget.of_image:
        return _drawn(random, view.reference) * view.there
    return _drawn(random, view.data)


def _drawn(random: np.random.Generator, like: Tensor) -> Tensor:
    drawn = random.standard_normal((*like.shape, 2), np.float32)
    return _unit(torch.view_as_complex(torch.from_numpy(drawn)).to(like))


def _unit(direction: Tensor) -> Tensor:
    return direction / _norm(direction).clamp_min(TINY)


def _norm(values: Tensor) -> Tensor:
    size: Tensor = torch.linalg.vector_norm(values)
    return size


def _pixels(image: Tensor) -> Pixels:
    return np.asarray(image.cpu().numpy(), np.float32)
