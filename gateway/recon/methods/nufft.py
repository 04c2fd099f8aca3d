"""Recipe nufft: any trajectory, density-compensated adjoint transform, coils combined by root sum of squares.

Jackson 1991, doi:10.1109/42.97598; `gateway.recon.density` cites the weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gateway.model.header import ScanHeader
from gateway.model.image import ImageSeries
from gateway.model.readout import Acquisition
from gateway.model.recipes import NufftRecipe
from gateway.recon.coils import root_sum_of_squares
from gateway.recon.density import density_weights
from gateway.recon.fourier import resize
from gateway.recon.kspace import Progress
from gateway.recon.nufft import Nufft
from gateway.recon.series import scattered_series
from gateway.recon.space import Target, is_3d, target_of
from gateway.recon.trajectory import Scattered, gather

COMBINED = "Coils combined by root sum of squares."


@dataclass(frozen=True, slots=True, kw_only=True)
class Gridding:
    """The transform of a trajectory, kept while frames share it.

    Parameters
    ----------
    all_points
        As gathered.
    points
        Those that the matrix can hold, on the device.
    inside
        Which those are.
    weights
        Of their density.
    """

    all_points: Tensor
    points: Tensor
    inside: Tensor
    weights: Tensor
    transform: Nufft

    def weighted(self, frame: Scattered) -> Tensor:
        """Weigh the samples of a frame that the matrix can hold. Shape `(coil sample)`."""
        return frame.samples.to(self.points.device)[:, self.inside] * self.weights


def gridding_of(frame: Scattered, target: Target, device: torch.device, known: Gridding | None) -> Gridding:
    """Lay the kernel of a trajectory, unless the one that is known is of the same.

    Points beyond what the pixels of the image can show are left out, as a Cartesian method crops k-space.
    """
    if known is not None and torch.equal(known.all_points, frame.points):
        return known
    matrix = target.grid.as_tuple()[-frame.points.shape[1] :]
    on_device = frame.points.to(device)
    inside = (on_device.abs() <= on_device.new_tensor(matrix) / 2).all(dim=1)
    points = on_device[inside]
    return Gridding(
        all_points=frame.points,
        points=points,
        inside=inside,
        weights=density_weights(points, matrix),
        transform=Nufft(points, matrix),
    )


def reconstruct_nufft(
    acquisition: Acquisition, header: ScanHeader, recipe: NufftRecipe, *, device: torch.device, progress: Progress
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
    known: Gridding | None = None
    for number, frame in enumerate(gatherer.frames()):
        known = gridding_of(frame, target, device, known)
        weighted = known.weighted(frame)
        coils = (known.transform.adjoint(coil) for coil in weighted)
        pixels[number] = fitted(root_sum_of_squares(coils), target, three_dimensional=is_3d(gatherer.encoding))
        progress((number + 1) / gatherer.n_frames, f"reconstructed {number + 1} of {gatherer.n_frames} frames")
    return (scattered_series(pixels, gatherer, target, (COMBINED,)),)


def fitted(
    image: Tensor, target: Target, *, three_dimensional: bool
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Cut a magnitude image on the grid to the matrix that is wanted. Shape `(z y x)`."""
    image = image if three_dimensional else image[None]
    for axis, n in zip((-3, -2, -1), target.matrix.as_tuple(), strict=True):
        image = resize(image, axis, n)
    return image.cpu().numpy()
