"""Undersampled Cartesian k-space: the image that the coils would have measured, exactly or by steps."""

from __future__ import annotations

import torch
from torch import Tensor

from gateway.model.image import ImageSeries
from gateway.model.recipes import CgSenseRecipe, SenseRecipe
from gateway.recon.cartesian_problem import cartesian_problem, resampled_map, to_target
from gateway.recon.coil_maps import Seen, see
from gateway.recon.kspace import Progress
from gateway.recon.parallel import Group, Undersampled, series_of, understand
from gateway.recon.scan import Scan
from gateway.recon.sense import Unfolding, deviation, solve_by_steps, solve_exactly
from gateway.recon.slice_by_slice import Method, slice_by_slice
from gateway.recon.solvers import Stop

IN_3D = Stop(steps=50, tolerance=1e-3)
"""Of conjugate gradients, where a system is too large to be factorised."""
ROUNDING = 1e-6
"""Noise that single precision makes by itself, relative to the brightest pixel."""


def reconstruct_sense(
    scan: Scan, recipe: SenseRecipe, *, device: torch.device, progress: Progress
) -> tuple[ImageSeries, ...]:
    """Unfold each readout position exactly, with the brightness that calibration shows as the expectation.

    Raises
    ------
    BadScan
        The scan is not Cartesian, lines of its pattern are missing, or there is too little calibration.
    """
    progress(0.0, "sorting readouts into k-space")
    found = understand(scan, recipe)
    flat = found.sorter.lines.partitions.n == 1

    def unfold(group: Group, seen: Seen) -> Tensor:
        if not flat:
            return _by_steps(found, group, seen, noise_power=_noise(found, seen, recipe), stop=IN_3D)
        problem = _problem(found, group, seen, recipe)
        return to_target(solve_exactly(problem).movedim(-1, -3)[None], seen.maps, found.target)

    def noise(group: Group, seen: Seen) -> Tensor:
        problem = _problem(found, group, seen, recipe)
        return resampled_map(deviation(problem, solve_exactly(problem), found.noise_power)[None], found.target)

    method = Method(
        learn=lambda group: see(group.block, group.filled.shape[1:], recipe),
        unfold=unfold,
        deviation=noise if flat else None,
    )
    album = slice_by_slice(found, method, recipe, device=device, progress=progress)
    how = "SENSE by {} maps, regularised by the noise and the brightness that calibration shows."
    return series_of(album, found, (how.format(recipe.estimator),))


def reconstruct_cg_sense(
    scan: Scan, recipe: CgSenseRecipe, *, device: torch.device, progress: Progress
) -> tuple[ImageSeries, ...]:
    """Unfold by conjugate gradients; all pixels are expected to be alike, which is plain Tikhonov.

    Raises
    ------
    BadScan
        The scan is not Cartesian, lines of its pattern are missing, or there is too little calibration.
    """
    progress(0.0, "sorting readouts into k-space")
    found = understand(scan, recipe)
    stop = Stop(steps=recipe.steps, tolerance=recipe.tolerance)

    def unfold(group: Group, seen: Seen) -> Tensor:
        alike = Seen(maps=seen.maps, prior=seen.prior.mean().expand_as(seen.prior))
        return _by_steps(found, group, alike, noise_power=_noise(found, seen, recipe), stop=stop)

    method = Method(learn=lambda group: see(group.block, group.filled.shape[1:], recipe), unfold=unfold)
    album = slice_by_slice(found, method, recipe, device=device, progress=progress)
    how = f"SENSE by {recipe.estimator} maps, at most {recipe.steps} steps of conjugate gradients."
    return series_of(album, found, (how,))


def _noise(scan: Undersampled, seen: Seen, recipe: SenseRecipe | CgSenseRecipe) -> float:
    return max(recipe.noise_weight * scan.noise_power, ROUNDING * float(seen.prior.max()))


def _by_steps(scan: Undersampled, group: Group, seen: Seen, *, noise_power: float, stop: Stop) -> Tensor:
    problem = cartesian_problem(group.data, group.filled, seen.maps)
    images = solve_by_steps(problem, seen.prior.movedim(-1, -3), noise_power, stop)
    return to_target(images, seen.maps, scan.target)


def _problem(scan: Undersampled, group: Group, seen: Seen, recipe: SenseRecipe) -> Unfolding:
    return Unfolding(
        data=group.data[0],
        filled=group.filled[0],
        maps=seen.maps,
        prior=seen.prior,
        noise_power=_noise(scan, seen, recipe),
    )
