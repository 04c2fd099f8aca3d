"""What the methods share that weigh an image's agreement with the data against a penalty, frame by frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from torch import Tensor

from gateway.model.image import ImageSeries
from gateway.model.recipes import L1WaveletRecipe, TvRecipe
from gateway.recon.cartesian_problem import Problem, cartesian_problem, to_target
from gateway.recon.coil_maps import Seen
from gateway.recon.companion import recalled_seen
from gateway.recon.kspace import Progress
from gateway.recon.parallel import Group, series_of, understand
from gateway.recon.scan import Scan
from gateway.recon.slice_by_slice import Method, slice_by_slice
from gateway.recon.workplace import Workplace

Penalised = TypeVar("Penalised", L1WaveletRecipe, TvRecipe)


def penalised(
    solve: Callable[[Problem, float, Penalised], Tensor], penalty_name: str
) -> Callable[..., tuple[ImageSeries, ...]]:
    """Make a method for the engine out of a solver.

    Parameters
    ----------
    solve
        Gets a problem, the penalty in units of its data, and the recipe; gives images `(frame set x z y)`.
    penalty_name
        What the reader of the series is told that the image is penalised by.
    """

    def reconstruct(scan: Scan, recipe: Penalised, *, place: Workplace, progress: Progress) -> tuple[ImageSeries, ...]:
        """Reconstruct every frame.

        Raises
        ------
        BadScan
            The scan is not Cartesian, or there is too little calibration.
        """
        progress(0.0, "sorting readouts into k-space")
        found = understand(scan, recipe, regular=False)

        def unfold(group: Group, seen: Seen) -> Tensor:
            penalty = recipe.noise_weight * group.noise_power**0.5
            problem = cartesian_problem(group.data, group.filled, seen.maps)
            return to_target(solve(problem, penalty, recipe), seen.maps, found.target)

        method = Method(learn=lambda group: recalled_seen(found, group, recipe), unfold=unfold)
        album = slice_by_slice(found, method, recipe, place=place, progress=progress)
        how = f"SENSE by {recipe.estimator} maps with {penalty_name}, penalty {recipe.noise_weight:g} times the noise."
        return series_of(album, found, (how,))

    return reconstruct
