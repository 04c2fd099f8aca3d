"""Recipe fft: fully sampled Cartesian k-space, inverse Fourier transform, coils combined by root sum of squares."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gateway.model.header import ScanHeader
from gateway.model.image import ImageSeries
from gateway.model.readout import Acquisition
from gateway.model.recipes import FftRecipe
from gateway.recon.coils import root_sum_of_squares
from gateway.recon.fourier import resize
from gateway.recon.kspace import KSpace, Progress, sort_cartesian
from gateway.recon.lines import need_every_line
from gateway.recon.series import magnitude_series
from gateway.recon.space import Target, target_of

COMBINED = "Coils combined by root sum of squares."


def reconstruct_fft(
    acquisition: Acquisition, header: ScanHeader, recipe: FftRecipe, *, device: torch.device, progress: Progress
) -> tuple[ImageSeries, ...]:
    """Reconstruct the magnitude of every frame.

    Raises
    ------
    BadScan
        K-space is not Cartesian, lines are missing, or the scan does not say where it was measured.
    """
    progress(0.0, "sorting readouts into k-space")
    sorter = sort_cartesian(acquisition, header, recipe=recipe.method)
    lines = sorter.lines
    need_every_line(lines, recipe.method)
    target = target_of(lines.encoding)
    pixels = np.empty((lines.n_frames, *target.matrix.as_tuple()), dtype=np.float32)
    done = 0
    for kspace in sorter.batches():
        batch = slice(done, done := done + len(kspace.heads))
        pixels[batch] = magnitude(kspace.to(device), target).cpu().numpy()
        progress(done / lines.n_frames, f"reconstructed {done} of {lines.n_frames} frames")
    return (magnitude_series(pixels, sorter, target, (COMBINED,)),)


def magnitude(kspace: KSpace, target: Target) -> Tensor:
    """Transform frame by frame, so that the coils of one are in memory at a time. Shape `(frame z y x)`."""
    return torch.stack([_combined(frame, target) for frame in kspace.samples])


def _combined(samples: Tensor, target: Target) -> Tensor:
    """Transform one frame `(coil z y x)`, and leave all shifts to the combined image: in k-space they turn phases only.

    An axis that is cut loses its margin before the next one is transformed.
    """
    grid, matrix = target.grid, target.matrix
    sizes = {-1: (grid.x, matrix.x), -2: (grid.y, matrix.y), -3: (grid.z, matrix.z)}
    waiting: list[int] = []
    for axis, (n_grid, n_matrix) in sizes.items():
        samples = resize(samples, axis, n_grid)
        if n_matrix < n_grid:
            samples = _middle(torch.fft.ifft(samples, dim=axis, norm="ortho"), axis, n_matrix)
        elif n_grid > 1:
            waiting.append(axis)
    if waiting:
        samples = torch.fft.ifftn(samples, dim=waiting, norm="ortho")
    image = root_sum_of_squares(samples.unbind(dim=0))
    for axis, (n_grid, n_matrix) in sizes.items():
        image = resize(image.roll(n_grid // 2, axis) if axis in waiting else image, axis, n_matrix)
    return image


def _middle(image: Tensor, axis: int, n: int) -> Tensor:
    """Cut the middle out of an axis whose centre is still at index 0, and bring that to ``n // 2``."""
    before = image.narrow(axis, image.shape[axis] - n // 2, n // 2)
    return torch.cat([before, image.narrow(axis, 0, n - n // 2)], dim=axis)
