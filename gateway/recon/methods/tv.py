"""Recipe tv: undersampled Cartesian k-space, regular or random, images with few edges (total variation).

Rudin 1992, doi:10.1016/0167-2789(92)90242-F; Block 2007, doi:10.1002/mrm.21236; solved by a primal-dual method.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gateway.model.header import ScanHeader
from gateway.model.image import ImageSeries
from gateway.model.readout import Acquisition
from gateway.model.route import TvRecipe
from gateway.recon.cartesian_problem import Problem, cartesian_problem, to_target
from gateway.recon.kspace import Progress
from gateway.recon.methods.sense import Seen, see
from gateway.recon.operators import differences
from gateway.recon.parallel import Slice, frame_by_frame, series_of, understand
from gateway.recon.solvers import Analysis, Stop, primal_dual


def reconstruct_tv(
    acquisition: Acquisition, header: ScanHeader, recipe: TvRecipe, *, device: torch.device, progress: Progress
) -> tuple[ImageSeries, ...]:
    """Reconstruct the magnitude of every frame.

    Raises
    ------
    BadScan
        The scan is not Cartesian, or there is too little calibration.
    """
    progress(0.0, "sorting readouts into k-space")
    scan = understand(acquisition, header, recipe=recipe.method, regular=False)
    penalty = recipe.noise_weight * scan.noise_power**0.5

    def unfold(one: Slice, seen: Seen) -> Tensor:
        problem = cartesian_problem(one.data[None], one.filled[None], seen.maps)
        return to_target(solve(problem, penalty, recipe), scan.target)[0]

    pixels = frame_by_frame(scan, lambda one: see(one, recipe.map_sets), unfold, device=device, progress=progress)
    how = f"SENSE by ESPIRiT maps with total variation, penalty {recipe.noise_weight:g} times the noise."
    return (series_of(pixels, scan, (how,)),)


def solve(problem: Problem, penalty: float, recipe: TvRecipe) -> Tensor:
    """Solve for the images of a problem. Shape `(frame set x z y)`."""
    stop = Stop(steps=recipe.steps, tolerance=recipe.tolerance)
    variation = total_variation(problem.rhs, penalty)
    return primal_dual(problem.normal, problem.rhs, variation, stop, lipschitz=1.0)


def total_variation(images: Tensor, penalty: float) -> Analysis:
    """Penalise the length of the gradient of images `(... x z y)`, along axes of more than one pixel."""
    axes = [axis for axis in (-3, -2, -1) if images.shape[axis] > 1]

    def into_ball(force: Tensor) -> Tensor:
        length = torch.view_as_real(force).square().sum(dim=(0, -1)).sqrt()
        return force / (length / penalty).clamp_min(1)

    return Analysis(operator=differences(axes), norm_squared=4.0 * len(axes), project=into_ball)
