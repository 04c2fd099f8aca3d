"""Undersampled Cartesian k-space: missing lines from their neighbours (Griswold 2002, doi:10.1002/mrm.10171)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from gateway.model.errors import BadScan
from gateway.model.image import ImageSeries
from gateway.model.recipes import GrappaRecipe, RakiRecipe
from gateway.recon import grappa
from gateway.recon.coils import combine, combining
from gateway.recon.grappa_noise import Usage, deviation, usage
from gateway.recon.hybrid import to_matrix
from gateway.recon.kernel_weights import KernelWeights
from gateway.recon.kspace import Progress
from gateway.recon.parallel import Group, Undersampled, series_of, understand
from gateway.recon.scan import Scan
from gateway.recon.shutter import left_out
from gateway.recon.slice_by_slice import Method, slice_by_slice
from gateway.recon.workplace import Workplace


def reconstruct_grappa(
    scan: Scan, recipe: GrappaRecipe, *, place: Workplace, progress: Progress
) -> tuple[ImageSeries, ...]:
    """Fill every frame and transform it; lines that were never to be measured (partial Fourier) stay zero.

    Raises
    ------
    BadScan
        The scan is not Cartesian, has every line, lacks lines of its pattern, or has too little calibration.
    """
    found, kernel = with_gaps(scan, recipe, progress)
    album = slice_by_slice(found, filling(found, kernel, recipe), recipe, place=place, progress=progress)
    size = f"{recipe.kernel_lines} lines by {recipe.kernel_samples} samples"
    return series_of(album, found, (f"GRAPPA, kernel {size}.", recipe.combination))


def filling(found: Undersampled, kernel: grappa.Kernel, recipe: GrappaRecipe) -> Method[KernelWeights]:
    """Say how frames are filled and their coils combined."""

    def learn(group: Group) -> KernelWeights:
        n_x = found.target.matrix.x
        weights = grappa.learn(group.block, kernel, n_x=n_x, regularisation=group.ridge(recipe.regularisation))
        return KernelWeights(weights=weights, maps=group.combining_maps(found.target, recipe))

    def coil_images(group: Group, learned: KernelWeights) -> Tensor:
        whole = fill(found, group, lambda data: grappa.fill(data, found.lattice, kernel, learned.weights))
        return to_matrix(whole, found.target)

    def noise(group: Group, learned: KernelWeights) -> Tensor:
        weights = combining(coil_images(group, learned), learned.maps)
        used = used_in(found, group, kernel)
        level = deviation(learned.weights, kernel, weights, used=used, target=found.target)
        return level[None] * math.sqrt(group.noise_power)

    return Method(
        learn=learn,
        unfold=lambda group, learned: combine(coil_images(group, learned), learned.maps)[None],
        deviation=noise,
        at=KernelWeights.at,
    )


def with_gaps(scan: Scan, recipe: GrappaRecipe | RakiRecipe, progress: Progress) -> tuple[Undersampled, grappa.Kernel]:
    """Sort a scan that has gaps, and choose the kernel for them.

    Raises
    ------
    BadScan
        The scan is not Cartesian, has every line, or lacks lines of its pattern.
    """
    progress(0.0, "sorting readouts into k-space")
    found = understand(scan, recipe)
    if found.lattice.acceleration == 1:
        raise BadScan(f"every line was measured: recipe {recipe.method} has nothing to fill")
    kernel = grappa.kernel_for(found.lattice, n_lines=recipe.kernel_lines, n_readout=recipe.kernel_samples)
    return found, kernel


def fill(scan: Undersampled, group: Group, complete: Callable[[Tensor], Tensor]) -> Tensor:
    """Fill one frame between the first and the last line; what was measured stays as measured. Shape `(coil z y x)`.

    ``complete`` looks at the points of the lattice, and makes those between.
    """
    data, filled = group.data[0], group.filled[0]
    on_lattice = torch.from_numpy(scan.lattice.points(*filled.shape)).to(filled.device)
    whole = complete(data)
    for lines, values in ((filled & ~on_lattice, data), (~filled & ~wanted(scan, group), torch.zeros_like(data[:1]))):
        at_z, at_y = lines.nonzero(as_tuple=True)
        whole[:, at_z, at_y] = values[:, at_z, at_y]
    return whole


def wanted(scan: Undersampled, group: Group) -> Tensor:
    """Say which lines of k-space are wanted: measured or made. Shape `(z y)`."""
    z, y = scan.sorter.lines.partitions, scan.sorter.lines.phase_encodes
    inside = torch.zeros_like(group.filled[0])
    inside[z.first : z.last + 1, y.first : y.last + 1] = True
    return inside & ~torch.from_numpy(left_out(scan.sorter.lines)).to(inside.device)


def used_in(scan: Undersampled, group: Group, kernel: grappa.Kernel) -> Usage:
    """Find out which lines of one frame make which."""
    filled = group.filled[0]
    lattice = torch.from_numpy(scan.lattice.points(*filled.shape)).to(filled.device)
    return usage(lattice, filled, wanted(scan, group), kernel)
