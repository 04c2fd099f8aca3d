"""The Fourier transform between an image and any points of k-space, by gridding; knows nothing of scans.

A Kaiser-Bessel kernel (Jackson 1991, doi:10.1109/42.97598; its shape after Beatty 2005, doi:10.1109/TMI.2005.848376)
six cells wide on a grid twice as fine: within 1e-5 of the direct sum. The kernel is a sparse matrix, so CPU and GPU run
the same code, and the adjoint is the matrix transposed, exact to rounding. docs/adr/ says why it is our own.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gateway.model.errors import BadScan
from gateway.recon.operators import Map, Operator

WIDTH = 6
"""Of the transform's kernel, in cells of the fine grid."""

LARGEST_KERNEL = 1 << 30
"""Entries of the sparse matrix; 3D has 216 for each sample, and each takes 24 bytes."""

COLUMN_BYTES = 256 << 20
"""How much of the fine grids is worked on at a time; never less than one image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """The kernel between samples and the cells of a periodic grid.

    Parameters
    ----------
    gather
        From cells to samples. Sparse, real. Shape `(sample cell)`.
    spread
        Its transpose, so that each is a fast product. Shape `(cell sample)`.
    """

    gather: Tensor
    spread: Tensor


def kernel_of(positions: Tensor, grid: Sequence[int], shapes: Sequence[float], *, width: int) -> Kernel:
    """Lay the kernel around positions.

    Parameters
    ----------
    positions
        In cells, float64; cell 0 is at 0, and the grid goes around. Shape `(sample axis)`.
    shapes
        The Kaiser-Bessel shape parameter for each axis.
    width
        In cells.

    Raises
    ------
    BadScan
        There are more samples than memory can take.
    """
    n_samples, n_axes = positions.shape
    if n_samples * width**n_axes > LARGEST_KERNEL:
        raise BadScan(f"{n_samples} samples of a {n_axes}-dimensional trajectory are too many to grid at once")
    cells = torch.zeros((n_samples, 1), dtype=torch.int64, device=positions.device)
    weights = torch.ones((n_samples, 1), dtype=torch.float64, device=positions.device)
    offsets = torch.arange(width, device=positions.device)
    for position, n, shape in zip(positions.unbind(dim=1), grid, shapes, strict=True):
        near = torch.ceil(position - width / 2)[:, None] + offsets
        along = _kaiser_bessel(position[:, None] - near, shape, width)
        cells = (cells[:, :, None] * n + (near.long() % n)[:, None, :]).flatten(1)
        weights = (weights[:, :, None] * along[:, None, :]).flatten(1)
    return _sparse(cells, weights.float(), math.prod(grid))


def _kaiser_bessel(distance: Tensor, shape: float, width: int) -> Tensor:
    """Evaluate the kernel, whose Fourier transform is ``kernel_transform``."""
    inside = (1 - (2 * distance / width).square()).clamp_min(0)
    weights: Tensor = torch.special.i0(shape * inside.sqrt()) / width
    return weights


def _sparse(cells: Tensor, weights: Tensor, n_cells: int) -> Kernel:
    n_samples, n_each = cells.shape
    order = torch.argsort(cells.flatten(), stable=True)
    counts = torch.bincount(cells.flatten(), minlength=n_cells)
    sample_rows = torch.arange(0, cells.numel() + 1, n_each, device=cells.device)
    cell_rows = torch.cat([counts.new_zeros(1), counts.cumsum(dim=0)])
    with warnings.catch_warnings():
        # Torch calls its CSR a beta, once in each process; the products used here are held by tests.
        warnings.filterwarnings("ignore", message="Sparse")
        gather = torch.sparse_csr_tensor(sample_rows, cells.flatten(), weights.flatten(), (n_samples, n_cells))
        spread = torch.sparse_csr_tensor(
            cell_rows, order // n_each, weights.flatten()[order], (n_cells, n_samples), device=cells.device
        )
    return Kernel(gather=gather, spread=spread)


class Nufft:
    """The transform for one trajectory and one matrix, orthonormal like `fourier.fourier`.

    ``samples[j] = sum_n image[n] exp(-2 pi i k_j (n - N // 2) / N) / sqrt(N)``. A batch of images may lie before the
    axes of the matrix, and the same batch before the axis of the samples.

    Parameters
    ----------
    points
        In cycles per field of view, float64; in the order of the matrix. Shape `(sample axis)`.
    matrix
        Of the image, as many axes.
    """

    def __init__(self, points: Tensor, matrix: Sequence[int]) -> None:
        self.matrix = tuple(matrix)
        self.grid = tuple(fast_size(2 * n) for n in matrix)
        ratios = [fine / n for fine, n in zip(self.grid, matrix, strict=True)]
        shapes = [math.pi * math.sqrt((WIDTH / ratio * (ratio - 0.5)) ** 2 - 0.8) for ratio in ratios]
        self._kernel = kernel_of(points * points.new_tensor(ratios), self.grid, shapes, width=WIDTH)
        self._cells = _cells(self.matrix, self.grid, points.device)
        self._taper = (
            1
            / math.sqrt(math.prod(matrix))
            / _product(
                [
                    kernel_transform(_pixels(n) / fine, shape, WIDTH)
                    for n, fine, shape in zip(matrix, self.grid, shapes, strict=True)
                ]
            ).to(points.device)
        )

    def apply(self, images: Tensor) -> Tensor:
        """Transform images `(... *matrix)` to samples `(... sample)`."""
        flat = images.reshape(-1, *self.matrix)
        samples = torch.cat([self._to_samples(each) for each in torch.split(flat, self._step())])
        return samples.reshape(*images.shape[: images.ndim - len(self.matrix)], -1)

    def adjoint(self, samples: Tensor) -> Tensor:
        """Transform samples `(... sample)` to images `(... *matrix)`: the adjoint of `apply`."""
        flat = samples.reshape(-1, samples.shape[-1])
        images = torch.cat([self._to_images(each) for each in torch.split(flat, self._step())])
        return images.reshape(*samples.shape[:-1], *self.matrix)

    def operator(self) -> Operator:
        """Give the transform as an operator."""
        return Operator(self.apply, self.adjoint)

    def _step(self) -> int:
        return max(1, COLUMN_BYTES // (8 * math.prod(self.grid)))

    def _to_samples(self, images: Tensor) -> Tensor:
        fine = images.new_zeros((len(images), math.prod(self.grid)))
        fine[:, self._cells] = (images * self._taper).flatten(1)
        axes = tuple(range(1, 1 + len(self.grid)))
        return _product_with(self._kernel.gather, torch.fft.fftn(fine.reshape(-1, *self.grid), dim=axes).flatten(1))

    def _to_images(self, samples: Tensor) -> Tensor:
        axes = tuple(range(1, 1 + len(self.grid)))
        fine = _product_with(self._kernel.spread, samples).reshape(-1, *self.grid)
        images: Tensor = torch.fft.ifftn(fine, dim=axes, norm="forward").flatten(1)[:, self._cells]
        return images.reshape(-1, *self.matrix) * self._taper


def toeplitz(points: Tensor, weights: Tensor, matrix: Sequence[int]) -> Map:
    """Build the normal operator ``A^H W A`` as a convolution on a doubled grid (Fessler 2005).

    doi:10.1109/TSP.2005.853152. Two FFTs and no gridding: an iteration no longer costs more with more samples.

    Parameters
    ----------
    points
        As for `Nufft`.
    weights
        Real, of the samples. Shape `(sample,)`.

    Returns
    -------
        From images to images, `(... *matrix)`.
    """
    doubled = tuple(2 * n for n in matrix)
    ratio = points.new_tensor([2.0] * len(doubled))
    spreading = Nufft(points * ratio, doubled).adjoint(weights.to(torch.complex64)[None])[0]
    axes = tuple(range(-len(doubled), 0))
    transfer = torch.fft.fftn(torch.fft.ifftshift(spreading, dim=axes), dim=axes)
    scale = math.sqrt(math.prod(doubled)) / math.prod(matrix)
    transfer = transfer.real.mul(scale).contiguous()

    def normal(images: Tensor) -> Tensor:
        kspace: Tensor = torch.fft.fftn(images, s=doubled, dim=axes)
        filtered: Tensor = torch.fft.ifftn(kspace.mul_(transfer), dim=axes)
        for axis, n in zip(axes, matrix, strict=True):
            filtered = filtered.narrow(axis, 0, n)
        return filtered

    return normal


def _product_with(matrix: Tensor, values: Tensor) -> Tensor:
    """Multiply a real sparse matrix with complex columns. Shapes `(row column)`, `(batch column)` to `(batch row)`."""
    columns = torch.view_as_real(values).transpose(0, 1).reshape(values.shape[1], -1)
    return torch.view_as_complex((matrix @ columns).reshape(matrix.shape[0], -1, 2).transpose(0, 1).contiguous())


def _cells(matrix: Sequence[int], grid: Sequence[int], device: torch.device) -> Tensor:
    """Say in which cell of the fine grid, which has its centre at 0, each pixel lies. Shape `(pixel,)`."""
    cells = torch.zeros(1, dtype=torch.int64, device=device)
    for n, fine in zip(matrix, grid, strict=True):
        along = (torch.arange(n, device=device) - n // 2) % fine
        cells = (cells[:, None] * fine + along).flatten()
    return cells


def _pixels(n: int) -> Tensor:
    return torch.arange(n, dtype=torch.float64) - n // 2


def kernel_transform(places: Tensor, shape: float, width: int) -> Tensor:
    """Take the Fourier transform of the kernel at places in parts of the fine field of view."""
    root = (shape**2 - (math.pi * width * places).square()).sqrt()
    return (torch.sinh(root) / root).float()


def _product(factors: Sequence[Tensor]) -> Tensor:
    product = factors[0]
    for factor in factors[1:]:
        product = product[..., None] * factor
    return product


def fast_size(n: int) -> int:
    """Find the next even size that is a product of small primes."""
    while _rest(n) > 1 or n % 2:
        n += 1
    return n


def _rest(n: int) -> int:
    for prime in (2, 3, 5):
        while n % prime == 0:
            n //= prime
    return n
