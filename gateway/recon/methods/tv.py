"""Recipe tv: undersampled Cartesian k-space, regular or random, images with few edges (total variation).

Rudin 1992, doi:10.1016/0167-2789(92)90242-F; Block 2007, doi:10.1002/mrm.21236; solved by a primal-dual method.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gateway.model.recipes import TvRecipe
from gateway.recon.cartesian_problem import Problem
from gateway.recon.methods.penalised import penalised
from gateway.recon.operators import differences
from gateway.recon.solvers import Analysis, Stop, primal_dual
from gateway.recon.threads import as_many_as_help


def solve(problem: Problem, penalty: float, recipe: TvRecipe) -> Tensor:
    """Solve for the images of a problem. Shape `(frame set x z y)`."""
    stop = Stop(steps=recipe.steps, tolerance=recipe.tolerance)
    variation = total_variation(problem.rhs, penalty)
    with as_many_as_help(problem.rhs):
        return primal_dual(problem.normal, problem.rhs, variation, stop, lipschitz=1.0)


reconstruct_tv = penalised(solve, "total variation")
"""The method, as the engine calls it."""


def total_variation(images: Tensor, penalty: float) -> Analysis:
    """Penalise the length of the gradient of images `(... x z y)`, along axes of more than one pixel."""
    axes = [axis for axis in (-3, -2, -1) if images.shape[axis] > 1]

    least = max(penalty**2, torch.finfo(images.real.dtype).tiny)  # so that a penalty of nothing leaves no force

    def into_ball(force: Tensor) -> Tensor:
        parts = torch.view_as_real(force)
        power = torch.addcmul(parts[..., 0].square(), parts[..., 1], parts[..., 1]).sum(dim=0)
        return torch.view_as_complex(parts * power.clamp_min_(least).rsqrt_().mul_(penalty)[..., None])

    return Analysis(operator=differences(axes), norm_squared=4.0 * len(axes), project=into_ball)
