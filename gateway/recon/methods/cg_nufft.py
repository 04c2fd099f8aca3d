"""Recipe cg-nufft: iterative SENSE for any trajectory (Pruessmann 2001, doi:10.1002/mrm.1241).

Conjugate gradients on the density-weighted normal equations; the trajectory is a convolution there (Fessler 2005,
doi:10.1109/TSP.2005.853152), so that steps never grid.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gateway.model.header import ScanHeader
from gateway.model.image import ImageSeries
from gateway.model.readout import Acquisition
from gateway.model.recipes import CgNufftRecipe
from gateway.recon.kspace import Progress
from gateway.recon.methods.nufft import Gridding, fitted, gridding_of
from gateway.recon.nufft import toeplitz
from gateway.recon.operators import Map, coil_summed, sensitivities
from gateway.recon.self_calibration import centre_images, relative_maps
from gateway.recon.series import scattered_series
from gateway.recon.solvers import Stop, conjugate_gradient
from gateway.recon.space import is_3d, target_of
from gateway.recon.trajectory import gather

COMBINED = "Coils combined by sensitivities from the centre of k-space, iteratively."


def reconstruct_cg_nufft(
    acquisition: Acquisition, header: ScanHeader, recipe: CgNufftRecipe, *, device: torch.device, progress: Progress
) -> tuple[ImageSeries, ...]:
    """Reconstruct the magnitude of every frame.

    Raises
    ------
    BadScan
        There is no trajectory or none that is understood, something is missing, or the scan does not say where it lies.
    """
    progress(0.0, "gathering readouts along their trajectory")
    gatherer = gather(acquisition, header, recipe=recipe.method)
    target = target_of(gatherer.encoding)
    pixels = np.empty((gatherer.n_frames, *target.matrix.as_tuple()), dtype=np.float32)
    gridding: Gridding | None = None
    filtered: Map | None = None
    for number, frame in enumerate(gatherer.frames()):
        before, gridding = gridding, gridding_of(frame, target, device, gridding)
        if filtered is None or gridding is not before:
            filtered = toeplitz(gridding.points, gridding.weights, gridding.transform.matrix)
        image = solve(gridding, filtered, gridding.weighted(frame), recipe)
        pixels[number] = fitted(image.abs(), target, three_dimensional=is_3d(gatherer.encoding))
        progress((number + 1) / gatherer.n_frames, f"reconstructed {number + 1} of {gatherer.n_frames} frames")
    return (scattered_series(pixels, gatherer, target, (COMBINED,)),)


def solve(gridding: Gridding, filtered: Map, weighted: Tensor, recipe: CgNufftRecipe) -> Tensor:
    """Solve for one image.

    Parameters
    ----------
    filtered
        The normal operator of the trajectory, without coils.
    weighted
        Density-weighted samples. Shape `(coil sample)`.

    Returns
    -------
        Complex. Shape `(*matrix)`.
    """
    transform = gridding.transform
    coils = transform.adjoint(weighted)
    low = centre_images(transform, gridding.points, weighted, diameter=recipe.calibration_diameter)
    shape = (coils.shape[0], *[1] * (3 - len(transform.matrix)), *transform.matrix)
    maps = relative_maps(low).reshape(1, *shape)
    rhs = sensitivities(maps).adjoint(coils.reshape(shape))[None]
    summed = coil_summed(maps, filtered)
    image = conjugate_gradient(
        lambda x: summed(x) + recipe.regularisation * x, rhs, Stop(steps=recipe.steps, tolerance=recipe.tolerance)
    )
    return image.reshape(transform.matrix)
