"""Recipe low-rank-sparse: dynamic series as a background of low rank and motion with a sparse spectrum (L+S).

Otazo 2015, doi:10.1002/mrm.25240, with momentum.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gateway.model.image import ImageSeries
from gateway.model.recipes import LowRankSparseRecipe
from gateway.recon.cartesian_problem import Problem, cartesian_problem, to_target
from gateway.recon.coil_maps import Seen
from gateway.recon.kspace import Progress
from gateway.recon.low_rank import shrink_singular_values, shrink_spectrum
from gateway.recon.parallel import Group, series_of, understand
from gateway.recon.scan import Scan
from gateway.recon.slice_by_slice import Method, slice_by_slice
from gateway.recon.solvers import Stop, fista
from gateway.recon.workplace import Workplace


def reconstruct_low_rank_sparse(
    scan: Scan, recipe: LowRankSparseRecipe, *, place: Workplace, progress: Progress
) -> tuple[ImageSeries, ...]:
    """Reconstruct every frame, all frames of a slice together.

    Raises
    ------
    BadScan
        The scan is not Cartesian, or there is too little calibration.
    """
    progress(0.0, "sorting readouts into k-space")
    found = understand(scan, recipe, regular=False)

    def unfold(group: Group, seen: Seen) -> Tensor:
        problem = cartesian_problem(group.data, group.filled, seen.maps)
        return to_target(sum_of(solve(problem, group.noise_power**0.5, recipe)), seen.maps, found.target)

    method = Method(learn=lambda group: group.see(recipe), unfold=unfold, together=True)
    album = slice_by_slice(found, method, recipe, place=place, progress=progress)
    how = f"Low rank plus sparse by {recipe.estimator} maps, penalties {recipe.noise_weight:g} times the noise."
    return series_of(album, found, (how,))


def solve(problem: Problem, noise: float, recipe: LowRankSparseRecipe) -> Tensor:
    """Solve for both parts of a series. Shape `(2 frame set x z y)`: background, motion.

    The largest singular value of noise alone is its deviation times the sum of the roots of the matrix' sizes.
    """
    n_frames, n_pixels = problem.rhs.shape[0], problem.rhs[0].numel()
    sparse = recipe.noise_weight * noise
    rank = sparse * (math.sqrt(n_frames) + math.sqrt(n_pixels))

    def proximal(parts: Tensor, step: float) -> Tensor:
        background, motion = parts[0]
        return torch.stack([shrink_singular_values(background, rank * step), shrink_spectrum(motion, sparse * step)])[
            None
        ]

    def normal(parts: Tensor) -> Tensor:
        return both(problem.normal(sum_of(parts[0])))

    stop = Stop(steps=recipe.steps, tolerance=recipe.tolerance)
    # The sum of two parts doubles the largest eigenvalue, which is 1 for one.
    return fista(normal, both(problem.rhs), proximal, stop, lipschitz=2.0)[0]


def both(series: Tensor) -> Tensor:
    """Give a series to both parts, as one problem: the adjoint of their sum. Shape `(1 2 frame ...)`."""
    return torch.stack([series, series])[None]


def sum_of(parts: Tensor) -> Tensor:
    """Add background and motion. Shape `(frame ...)`."""
    return parts[0] + parts[1]
