"""Recipe fft: fully sampled Cartesian k-space, inverse Fourier transform, coils combined by root sum of squares."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gateway.model.header import ScanHeader
from gateway.model.image import ImageSeries
from gateway.model.readout import Acquisition
from gateway.model.route import FftRecipe
from gateway.recon.coils import root_sum_of_squares
from gateway.recon.fourier import to_image
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
    """Transform coil by coil, so that the images of one are in memory at a time. Shape `(frame z y x)`."""
    coils = kspace.samples.unbind(dim=1)
    if target.grid != target.matrix or target.grid != kspace.encoding.encoded.matrix:
        return root_sum_of_squares(to_image(coil, grid=target.grid, matrix=target.matrix) for coil in coils)
    # A shift in k-space turns phases only, and one of the image can wait until the coils are one.
    axes = [axis for axis in (-3, -2, -1) if kspace.samples.shape[axis] > 1]
    images = (torch.fft.ifftn(coil, dim=axes, norm="ortho") for coil in coils)
    unshifted = root_sum_of_squares(images)
    return unshifted.roll([unshifted.shape[axis] // 2 for axis in axes], dims=axes)
