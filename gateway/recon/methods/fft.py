"""Fully sampled Cartesian k-space: inverse Fourier transform, then root sum of squares over the coils."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gateway.model.header import ScanHeader
from gateway.model.image import ImageSeries
from gateway.model.readout import Acquisition
from gateway.model.route import FftRecipe
from gateway.recon.coils import root_sum_of_squares
from gateway.recon.kspace import sort_cartesian
from gateway.recon.place import series_of
from gateway.recon.recon_matrix import image_of

Progress = Callable[[float, str], None]

COMBINED = "Coils combined by root sum of squares."


def reconstruct_fft(
    acquisition: Acquisition, header: ScanHeader, _recipe: FftRecipe, *, device: torch.device, progress: Progress
) -> tuple[ImageSeries, ...]:
    """Reconstruct frame by frame, so that memory stays bounded.

    Raises
    ------
    BadScan
        The scan is not Cartesian, or not fully sampled.
    """
    progress(0.0, "sorting readouts into k-space")
    kspace = sort_cartesian(acquisition, header)
    kspace.refuse_missing()
    images: list[Tensor] = []
    for number, samples in enumerate(kspace.samples, 1):
        images.append(root_sum_of_squares(image_of(samples.to(device), kspace.encoding)).cpu())
        progress(number / len(kspace.samples), f"reconstructed {number} of {len(kspace.samples)} frames")
    return (series_of(torch.stack(images), kspace, notes=(COMBINED,)),)
