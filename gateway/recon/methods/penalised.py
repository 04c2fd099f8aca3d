"""What the methods share that weigh an image's agreement with the data against a penalty, frame by frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from gateway.model.header import ScanHeader
from gateway.model.image import ImageSeries
from gateway.model.readout import Acquisition
from gateway.model.recipes import L1WaveletRecipe, TvRecipe
from gateway.recon.cartesian_problem import Problem, cartesian_problem, to_target
from gateway.recon.kspace import Progress
from gateway.recon.methods.sense import Seen, see
from gateway.recon.parallel import Slice, frame_by_frame, series_of, understand

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

    def reconstruct(
        acquisition: Acquisition, header: ScanHeader, recipe: Penalised, *, device: torch.device, progress: Progress
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
        how = f"SENSE by ESPIRiT maps with {penalty_name}, penalty {recipe.noise_weight:g} times the noise."
        return (series_of(pixels, scan, (how,)),)

    return reconstruct
