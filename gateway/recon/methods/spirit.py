"""Recipes spirit and l1-spirit: k-space that agrees with itself as calibration does (Lustig 2010).

doi:10.1002/mrm.22428. No sensitivities unfold anything, so it minds neither a narrow field of view
nor any pattern of lines.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from gateway.model.image import ImageSeries
from gateway.model.recipes import L1SpiritRecipe, SpiritRecipe
from gateway.recon import spirit
from gateway.recon.cartesian_problem import resampled
from gateway.recon.coils import combine
from gateway.recon.fourier import fourier
from gateway.recon.kernel_weights import KernelWeights
from gateway.recon.kspace import Progress
from gateway.recon.parallel import Group, Undersampled, series_of, understand
from gateway.recon.scan import Scan
from gateway.recon.slice_by_slice import Method, slice_by_slice
from gateway.recon.solvers import Stop
from gateway.recon.workplace import Workplace

NOISIER = 10.0
"""Kernels that are applied again and again are held down so many times as much as the noise would have it."""

MATRICES = 12
"""Over the coils at every pixel of a piece: three are there at once, and the allocator keeps what others have left."""

Solver = Callable[[spirit.Consistency, Group, Stop], Tensor]


def reconstruct_spirit(
    scan: Scan, recipe: SpiritRecipe, *, place: Workplace, progress: Progress
) -> tuple[ImageSeries, ...]:
    """Find the lines that were not measured; those that were stay as they are.

    Raises
    ------
    BadScan
        The scan is not Cartesian, or there is too little calibration.
    """
    return _reconstruct(scan, recipe, exactly(recipe), place=place, progress=progress)


def exactly(recipe: SpiritRecipe) -> Solver:
    """Keep measured points as they are."""
    return lambda problem, group, stop: spirit.solve(problem, recipe.noise_weight * group.noise_power, stop)


def reconstruct_l1_spirit(
    scan: Scan, recipe: L1SpiritRecipe, *, place: Workplace, progress: Progress
) -> tuple[ImageSeries, ...]:
    """Find coil images with few details that agree with what was measured.

    Raises
    ------
    BadScan
        The scan is not Cartesian, or there is too little calibration.
    """

    def solve(problem: spirit.Consistency, group: Group, stop: Stop) -> Tensor:
        return spirit.solve_sparsely(problem, recipe.noise_weight * math.sqrt(group.noise_power), stop)

    return _reconstruct(scan, recipe, solve, place=place, progress=progress)


def _reconstruct(
    scan: Scan, recipe: SpiritRecipe, solve: Solver, *, place: Workplace, progress: Progress
) -> tuple[ImageSeries, ...]:
    progress(0.0, "sorting readouts into k-space")
    found = understand(scan, recipe, regular=False)
    method = agreeing(found, recipe, solve)
    album = slice_by_slice(found, method, recipe, place=place, progress=progress)
    how = f"SPIRiT, kernel {recipe.kernel_lines} lines by {recipe.kernel_samples} samples."
    return series_of(album, found, (how, recipe.combination))


def agreeing(found: Undersampled, recipe: SpiritRecipe, solve: Solver) -> Method[KernelWeights]:
    """Say how coil images are found by a solver, and combined."""
    stop = Stop(steps=recipe.steps, tolerance=recipe.tolerance)
    size = (recipe.kernel_lines, recipe.kernel_lines, recipe.kernel_samples)

    def learn(group: Group) -> KernelWeights:
        ridge = group.ridge(recipe.regularisation, times=NOISIER)
        weights = spirit.learn(fourier(group.block, (-1,)), size, regularisation=ridge)
        at_x = spirit.at_positions(weights, found.target.matrix.x)
        return KernelWeights(weights=at_x, maps=group.combining_maps(found.target, recipe))

    def unfold(group: Group, learned: KernelWeights) -> Tensor:
        problem = spirit.consistency(group.data, group.filled, group.power, learned.weights)
        coil_images = resampled(solve(problem, group, stop).movedim(-3, -1), found.target)
        return torch.stack([combine(frame, learned.maps) for frame in coil_images])

    apart = None if isinstance(recipe, L1SpiritRecipe) else KernelWeights.at  # wavelets join positions
    return Method(learn=learn, unfold=unfold, at=apart, work=MATRICES * (found.sorter.lines.n_coils + 4))
