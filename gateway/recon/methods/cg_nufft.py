"""Recipe cg-nufft: iterative SENSE for any trajectory (Pruessmann 2001, doi:10.1002/mrm.1241).

Conjugate gradients on the density-weighted normal equations; the trajectory is a convolution there (Fessler 2005,
doi:10.1109/TSP.2005.853152), so that steps never grid.
"""

from __future__ import annotations

from torch import Tensor

from gateway.model.image import ImageSeries
from gateway.model.recipes import CgNufftRecipe
from gateway.recon.coil_maps import coil_maps, joined_sets
from gateway.recon.kspace import Progress
from gateway.recon.nufft import toeplitz
from gateway.recon.operators import COIL, Map, coil_summed, sensitivities
from gateway.recon.scan import Scan
from gateway.recon.scattered_loop import Gridding, Readings, Scattering, frame_by_frame
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
    known: list[tuple[Gridding, Map]] = []

    def unfold(readings: Readings) -> Tensor:
        gridding = readings.gridding
        if not known or known[0][0] is not gridding:
            known[:] = [(gridding, toeplitz(gridding.points, gridding.weights, gridding.transform.matrix))]
        return solve(readings, known[0][1], recipe)

    method = Scattering(note=f"SENSE by {recipe.estimator} maps, iteratively.", unfold=unfold)
    return frame_by_frame(scan, method, recipe, place=place, progress=progress)


def solve(readings: Readings, filtered: Map, recipe: CgNufftRecipe) -> Tensor:
    """Solve for one image.

    Parameters
    ----------
    filtered
        The normal operator of the trajectory, without coils.

    Returns
    -------
        Complex. Shape `(z y x)`.
    """
    maps = coil_maps(readings.calibration(), readings.shape, recipe.coils, n_sets=recipe.map_sets)
    rhs = sensitivities(maps).adjoint(readings.coil_images())[None]
    weight = recipe.noise_weight * readings.image_noise() ** 2 / float(rhs.abs().square().mean())
    summed = coil_summed(maps.unbind(dim=COIL), flat(filtered, readings.shape))
    image = conjugate_gradient(
        lambda x: summed(x[0])[None] + weight * x, rhs, Stop(steps=recipe.steps, tolerance=recipe.tolerance)
    )
    return joined_sets(image, maps)[0]


def flat(filtered: Map, shape: tuple[int, int, int]) -> Map:
    """Let a map of the images of a trajectory take images with an axis z as well."""
    return filtered if shape[0] > 1 else lambda images: filtered(images.squeeze(-3)).unsqueeze(-3)
