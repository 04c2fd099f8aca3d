"""Undersampled Cartesian k-space: missing lines from their neighbours, coils by root sum of squares."""

from __future__ import annotations

import torch
from torch import Tensor

from gateway.model.errors import BadScan
from gateway.model.header import ScanHeader
from gateway.model.image import ImageSeries
from gateway.model.readout import Acquisition
from gateway.model.recipes import GrappaRecipe
from gateway.recon import grappa
from gateway.recon.coils import root_sum_of_squares
from gateway.recon.hybrid import to_matrix
from gateway.recon.kspace import Progress
from gateway.recon.parallel import Slice, Undersampled, frame_by_frame, series_of, understand


def reconstruct_grappa(
    acquisition: Acquisition, header: ScanHeader, recipe: GrappaRecipe, *, device: torch.device, progress: Progress
) -> tuple[ImageSeries, ...]:
    """Fill every frame and transform it; lines that were never to be measured (partial Fourier) stay zero.

    Raises
    ------
    BadScan
        The scan is not Cartesian, has every line, lacks lines of its pattern, or has too little calibration.
    """
    progress(0.0, "sorting readouts into k-space")
    scan = understand(acquisition, header, recipe=recipe.method, n_virtual=recipe.virtual_coils)
    if scan.lattice.acceleration == 1:
        raise BadScan("every line was measured: recipe grappa has nothing to fill")
    kernel = grappa.kernel_for(scan.lattice, n_lines=recipe.kernel_lines, n_readout=recipe.kernel_samples)

    def learn(one: Slice) -> Tensor:
        n_x = scan.target.matrix.x
        return grappa.learn(one.block, kernel, n_x=n_x, regularisation=recipe.regularisation)

    def unfold(one: Slice, weights: Tensor) -> Tensor:
        return root_sum_of_squares(to_matrix(fill(scan, one, kernel, weights), scan.target).unbind(dim=0))

    pixels = frame_by_frame(scan, learn, unfold, device=device, progress=progress)
    size = f"{recipe.kernel_lines} lines by {recipe.kernel_samples} samples"
    return (series_of(pixels, scan, (f"GRAPPA, kernel {size}; coils combined by root sum of squares.",)),)


def fill(scan: Undersampled, one: Slice, kernel: grappa.Kernel, weights: Tensor) -> Tensor:
    """Fill one frame between the first and the last line; what was measured stays as measured. Shape `(coil z y x)`."""
    z, y = scan.sorter.lines.partitions, scan.sorter.lines.phase_encodes
    on_lattice = torch.from_numpy(scan.lattice.points(*one.filled.shape)).to(one.filled.device)
    made = grappa.fill(one.data * on_lattice[..., None], scan.lattice, kernel, weights)
    inside = torch.zeros_like(one.filled)
    inside[z.first : z.last + 1, y.first : y.last + 1] = True
    return torch.where(one.filled[..., None], one.data, made * inside[..., None])
