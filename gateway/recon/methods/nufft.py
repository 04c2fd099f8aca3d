"""Recipe nufft: any trajectory, density-compensated adjoint transform, coils combined.

Jackson 1991, doi:10.1109/42.97598; `gateway.recon.density` cites the weights.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gateway.model.image import ImageSeries
from gateway.model.recipes import NufftRecipe
from gateway.recon.coil_maps import coil_maps
from gateway.recon.coils import root_sum_of_squares
from gateway.recon.kspace import Progress
from gateway.recon.scan import Scan
from gateway.recon.scattered_loop import Readings, Scattering, frame_by_frame
from gateway.recon.workplace import Workplace


def reconstruct_nufft(
    scan: Scan, recipe: NufftRecipe, *, place: Workplace, progress: Progress
) -> tuple[ImageSeries, ...]:
    """Reconstruct every frame.

    Raises
    ------
    BadScan
        There is no trajectory or none that is understood, something is missing, or the scan does not say where it lies.
    """

    def unfold(readings: Readings) -> Tensor:
        if recipe.combines_by is None:
            return root_sum_of_squares(readings.coil_images_in_turn())
        maps = coil_maps(readings.calibration(), readings.shape, recipe.combines_by)[0]
        return (maps.conj() * readings.coil_images()).sum(dim=0)

    def deviation(readings: Readings) -> Tensor:
        """Every pixel gets the same, since weights of norm 1 combine the coils."""
        level = readings.image_noise() / 2**0.5
        return torch.full(readings.shape, level, device=readings.samples.device)

    method = Scattering(note=recipe.combination, unfold=unfold, deviation=deviation)
    return frame_by_frame(scan, method, recipe, place=place, progress=progress)
