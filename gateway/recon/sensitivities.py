"""Coil sensitivities as eigenvectors of what calibration lines reproduce (ESPIRiT)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gateway.recon.fourier import fourier, resize
from gateway.recon.smooth import COARSE, enlarged, in_phase, leading, low_resolution, normalised, reference_coil

KERNEL = 6
"""Points of k-space along each axis that coils are linked over."""
CALIBRATION_POINTS = 24
"""Points of k-space along each axis that the links are learned from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivities:
    """What coils see of an image.

    Parameters
    ----------
    maps
        Complex, norm 1 over the coils. Shape `(set coil y x)`.
    explained
        How far each set explains the calibration there, from 0 (nothing but noise) to 1. Shape `(set y x)`.
    """

    maps: Tensor
    explained: Tensor


def espirit(block: Tensor, *, n_y: int, n_x: int, threshold: float = 0.02, n_sets: int = 1) -> Sensitivities:
    """Estimate sensitivities as eigenvectors to the eigenvalue 1 of what calibration reproduces (ESPIRiT).

    Uecker 2014, doi:10.1002/mrm.24751. What neighbouring points of all coils can be is a subspace, found from the Gram
    matrix of the calibration; its projector is a small matrix over the coils at each position. Two sets tell images
    apart that lie on each other where the field of view is too small.

    Parameters
    ----------
    block
        Calibration k-space, without gaps. Shape `(coil y x)`.
    threshold
        Singular values below this share of the largest are noise.
    """
    n_calibration = tuple(min(n, CALIBRATION_POINTS) for n in block.shape[1:])
    block = resize(resize(block, 1, n_calibration[0]), 2, n_calibration[1])
    finest = tuple(max(min(n, 4 * KERNEL), -(-n // COARSE)) for n in (n_y, n_x))
    grid = tuple(
        max(n, 2 * min(KERNEL, m) - 1) for n, m in zip(finest, n_calibration, strict=True)
    )  # no link is cut off
    operator = _operator(_subspace(block, threshold), grid)
    vectors, values = leading(operator, n_sets)
    maps = in_phase(vectors.permute(0, 3, 1, 2), reference=reference_coil(low_resolution(block, block.shape[1:])))
    explained = enlarged(values.to(maps.dtype), (n_y, n_x)).real
    return Sensitivities(maps=normalised(enlarged(maps, (n_y, n_x)), axis=1), explained=explained.clamp(0, 1))


def _subspace(block: Tensor, threshold: float) -> Tensor:
    """Give an orthonormal basis of the patches of k-space. Shape `(vector coil ky kx)`."""
    n_coils = block.shape[0]
    patches = block.unfold(1, min(KERNEL, block.shape[1]), 1).unfold(2, min(KERNEL, block.shape[2]), 1)
    kernel = patches.shape[-2:]
    matrix = patches.permute(1, 2, 0, 3, 4).reshape(-1, n_coils * kernel[0] * kernel[1])
    if matrix.shape[0] < matrix.shape[1]:
        powers, left = torch.linalg.eigh(matrix @ matrix.mH)
        kept = powers > threshold**2 * powers[-1]
        basis = (left[:, kept] / powers[kept].sqrt()).mH @ matrix
    else:
        powers, right = torch.linalg.eigh(matrix.mH @ matrix)
        basis = right[:, powers > threshold**2 * powers[-1]].mH
    subspace: Tensor = basis.reshape(-1, n_coils, *kernel)
    return subspace


def _operator(basis: Tensor, grid: tuple[int, ...]) -> Tensor:
    """Evaluate what the subspace keeps of each combination of coils at each position. Shape `(y x coil coil)`.

    With u the patch that one pixel makes, ``u[c, k] = S[c] exp(-2 pi i k r)``, this is the matrix of
    ``|P u|^2 / |u|^2`` in S. It is band-limited to differences within a kernel, so it is made from few of them.
    """
    kernel = basis.shape[-2:]
    n = [2 * each - 1 for each in kernel]
    spectrum = torch.fft.fft2(basis.conj(), s=n)
    links = torch.fft.fftshift(
        torch.fft.ifft2(torch.einsum("vayx,vbyx->abyx", spectrum.conj(), spectrum)), dim=(-2, -1)
    )
    padded = resize(resize(links, -2, grid[0]), -1, grid[1])
    scale = math.sqrt(math.prod(grid)) / math.prod(kernel)
    return fourier(padded, (-2, -1)).permute(2, 3, 0, 1) * scale
