"""Recipe cg-nufft: iterative SENSE for any trajectory (Pruessmann 2001, doi:10.1002/mrm.1241).

Conjugate gradients on the density-weighted normal equations; the trajectory is a convolution there (Fessler 2005,
doi:10.1109/TSP.2005.853152), so that steps never grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gateway.model.image import ImageSeries
from gateway.model.recipes import CgNufftRecipe
from gateway.recon.coil_maps import coil_maps, joined_sets
from gateway.recon.kspace import Progress
from gateway.recon.operators import COIL, Map, coil_summed, sensitivities
from gateway.recon.scan import Scan
from gateway.recon.scattered_loop import Readings, Scattering, frame_by_frame
from gateway.recon.solvers import Stop, conjugate_gradient
from gateway.recon.workplace import Workplace


def reconstruct_cg_nufft(
    scan: Scan, recipe: CgNufftRecipe, *, place: Workplace, progress: Progress
) -> tuple[ImageSeries, ...]:
    """Reconstruct every frame.

    Raises
    ------
    BadScan
        There is no trajectory or none that is understood, something is missing, or the scan does not say where it lies.
    """
    method = Scattering(
        note=f"SENSE by {recipe.estimator} maps, iteratively.",
        unfold=lambda readings: recalled_unfolded(scan, readings, recipe).joined,
    )
    return frame_by_frame(scan, method, recipe, place=place, progress=progress)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfolded:
    """One frame, solved.

    Parameters
    ----------
    maps
        Sensitivities. Shape `(set coil z y x)`.
    image
        Complex. Shape `(1 set z y x)`.
    weight
        Of the image's energy.
    """

    maps: Tensor
    image: Tensor
    weight: float

    @property
    def joined(self) -> Tensor:
        """The image of all sets. Complex; shape `(z y x)`."""
        return joined_sets(self.image, self.maps)[0]

    @property
    def nbytes(self) -> int:
        """Say how much memory it takes."""
        return self.maps.nbytes + self.image.nbytes


def recalled_unfolded(scan: Scan, readings: Readings, recipe: CgNufftRecipe) -> Unfolded:
    """Solve for a frame, or recall that it was."""
    if readings.number is None:
        return unfolded(readings, recipe)
    asked = recipe.model_dump_json(
        include={"coils", "map_sets", "steps", "tolerance", "noise_weight", "spokes_per_frame"}
    )
    what = ("cg-nufft", readings.number, asked, readings.samples.device)
    return scan.once(what, lambda: unfolded(readings, recipe), lambda found: found.nbytes)


def unfolded(readings: Readings, recipe: CgNufftRecipe) -> Unfolded:
    """Solve for one frame."""
    maps = coil_maps(readings.calibration(), readings.shape, recipe.coils, n_sets=recipe.map_sets)
    rhs = sensitivities(maps).adjoint(readings.coil_images())[None]
    weight = recipe.noise_weight * readings.image_noise() ** 2 / float(rhs.abs().square().mean())
    return Unfolded(maps=maps, image=_solved(readings, maps, rhs, weight, recipe), weight=weight)


def noise_of(readings: Readings, known: Unfolded, recipe: CgNufftRecipe, random: torch.Generator) -> Tensor:
    """Say what the frame's own solution makes of more noise: one draw. Complex; shape `(z y x)`."""
    rhs = sensitivities(known.maps).adjoint(readings.noisier(random).coil_images())[None]
    return (_solved(readings, known.maps, rhs, known.weight, recipe) - known.image)[0, 0]


def _solved(readings: Readings, maps: Tensor, rhs: Tensor, weight: float, recipe: CgNufftRecipe) -> Tensor:
    summed = coil_summed(maps.unbind(dim=COIL), flat(readings.gridding.normal, readings.shape))
    return conjugate_gradient(
        lambda x: summed(x[0])[None] + weight * x, rhs, Stop(steps=recipe.steps, tolerance=recipe.tolerance)
    )


def flat(filtered: Map, shape: tuple[int, int, int]) -> Map:
    """Let a map of the images of a trajectory take images with an axis z as well."""
    return filtered if shape[0] > 1 else lambda images: filtered(images.squeeze(-3)).unsqueeze(-3)
