"""The sparse methods in a form that gradients go through: the engine's own change their numbers in place, for speed.

Problems, solvers and transforms are the engine's; only shrinking and projecting are written out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gateway.model.recipes import L1WaveletRecipe, TvRecipe
from gateway.recon.cartesian_problem import Problem, cartesian_problem, to_target
from gateway.recon.coil_maps import Seen
from gateway.recon.operators import differences
from gateway.recon.parallel import Group, Undersampled, understand
from gateway.recon.scan import Scan
from gateway.recon.slice_by_slice import Method
from gateway.recon.solvers import Analysis, Stop, fista, primal_dual
from gateway.recon.wavelet import SMALLEST, Wavelet

Solve = Callable[[Problem, float, Any], Tensor]
"""From a problem, the penalty and the recipe to images `(frame set x z y)`."""


def sparse(solve: Solve) -> Callable[[Scan, Any], tuple[Undersampled, Method[Seen]]]:
    """Make a method out of a solver, as `methods.penalised` does it for the engine."""

    def unfolding(scan: Scan, recipe: L1WaveletRecipe | TvRecipe) -> tuple[Undersampled, Method[Seen]]:
        found = understand(scan, recipe, regular=False)

        def unfold(group: Group, seen: Seen) -> Tensor:
            problem = cartesian_problem(group.data, group.filled, seen.maps)
            solved = solve(problem, recipe.noise_weight * group.noise_power**0.5, recipe)
            return to_target(solved, seen.maps, found.target)

        return found, Method(learn=lambda group: group.see(recipe), unfold=unfold)

    return unfolding


def l1_wavelet(problem: Problem, penalty: float, recipe: L1WaveletRecipe) -> Tensor:
    """Solve on the same shifted grids as `methods.l1_wavelet`. Shape `(frame set x z y)`."""
    wavelet = Wavelet(problem.rhs.shape[-3:], device=problem.rhs.device)
    details = _details(wavelet, problem.rhs)
    random, most = torch.Generator().manual_seed(0), 2**wavelet.levels

    def shrink(images: Tensor, step: float) -> Tensor:
        shifts = torch.randint(0, most, (len(wavelet.shape),), generator=random).tolist()
        planes = wavelet.transform(images, shifts)
        size = torch.linalg.vector_norm(planes, dim=0)  # its slope is zero where it is zero itself
        lost = details * penalty * step / size.clamp_min(max(penalty * step, torch.finfo(size.dtype).tiny))
        return wavelet.inverse(planes * (1 - lost), shifts)

    stop = Stop(steps=recipe.steps, tolerance=recipe.tolerance)
    return fista(problem.normal, problem.rhs, shrink, stop, lipschitz=1.0)


def tv(problem: Problem, penalty: float, recipe: TvRecipe) -> Tensor:
    """Solve as `methods.tv`. Shape `(frame set x z y)`."""
    axes = [axis for axis in (-3, -2, -1) if problem.rhs.shape[axis] > 1]

    def into_ball(force: Tensor) -> Tensor:
        length: Tensor = torch.linalg.vector_norm(torch.view_as_real(force), dim=(0, -1))
        return force / (length / penalty).clamp_min(1)

    variation = Analysis(operator=differences(axes), norm_squared=4.0 * len(axes), project=into_ball)
    stop = Stop(steps=recipe.steps, tolerance=recipe.tolerance)
    return primal_dual(problem.normal, problem.rhs, variation, stop, lipschitz=1.0)


def _details(wavelet: Wavelet, images: Tensor) -> Tensor:
    """Say which coefficients are details: 1, and 0 for the coarsest level, every so-many-th along each axis."""
    with torch.no_grad():
        marks = torch.ones_like(wavelet.transform(images)[0])
        smooth = marks
        for axis, n in enumerate(wavelet.shape, -len(wavelet.shape)):
            if n >= SMALLEST:
                smooth = smooth.unfold(axis, 1, 2**wavelet.levels).squeeze(-1)
        smooth.zero_()
    return marks
