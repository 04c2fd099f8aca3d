"""Centred orthonormal Fourier transforms; knows nothing of scans.

The signal is ``s(k) = sum rho(x) exp(-2 pi i k x)``. On an axis of n points both k = 0 and x = 0 are at ``n // 2``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gateway.model.zyx import Zyx


def fourier(image: Tensor, axes: Sequence[int]) -> Tensor:
    """Transform complex images to k-space along some axes."""
    return _centred(torch.fft.fftn, image, axes)


def inverse_fourier(kspace: Tensor, axes: Sequence[int]) -> Tensor:
    """Transform complex k-space to images along some axes: the inverse and the adjoint of `fourier`."""
    return _centred(torch.fft.ifftn, kspace, axes)


def _centred(transform: Callable[..., Tensor], data: Tensor, axes: Sequence[int]) -> Tensor:
    """Transform between shifts; on an even axis both are alternating signs, which cost less than a shift.

    exp(2 pi i (j - n/2)(k - n/2) / n) = (-1)^(j + k + n/2) exp(2 pi i j k / n).
    """
    axes = [axis for axis in axes if data.shape[axis] > 1]
    even = [axis for axis in axes if data.shape[axis] % 2 == 0]
    odd = [axis for axis in axes if data.shape[axis] % 2]
    if not axes:
        return data.clone()
    signs = _alternating(data, even)
    data = _turned(data, signs) if even else data
    data = torch.fft.ifftshift(data, dim=odd) if odd else data
    data = transform(data, dim=axes, norm="ortho")
    data = torch.fft.fftshift(data, dim=odd) if odd else data
    negative = sum(data.shape[axis] // 2 for axis in even) % 2 == 1
    return _turned(data, -signs if negative else signs, own=True) if even else data


def _alternating(data: Tensor, axes: Sequence[int]) -> Tensor:
    """Give signs that change from each point to the next along the axes."""
    signs = data.real.new_ones([1] * data.ndim)
    for axis in axes:
        shape = [1] * data.ndim
        shape[axis] = -1
        signs = signs * (1 - 2 * (torch.arange(data.shape[axis], device=data.device) % 2)).reshape(shape)
    return signs


def _turned(data: Tensor, signs: Tensor, *, own: bool = False) -> Tensor:
    """Multiply by signs as reals, since a complex product costs more; both parts of all numbers lie in one row.

    Signs that change along the last axis would otherwise hold for rows of two numbers each.

    Parameters
    ----------
    own
        Nobody else has the data, which may change in place.
    """
    parts = torch.view_as_real(data.resolve_conj())
    along_rows = signs.shape[-1] > 1
    rows = parts.flatten(-2) if along_rows else parts
    each = signs.repeat_interleave(2, dim=-1) if along_rows else signs.unsqueeze(-1)
    return torch.view_as_complex((rows.mul_(each) if own else rows * each).view(parts.shape))


def resize(data: Tensor, axis: int, n: int) -> Tensor:
    """Crop an axis to n points, or fill it up with zeros; the point at the centre stays at the centre."""
    old = data.shape[axis]
    start = old // 2 - n // 2
    if n <= old:
        return data.narrow(axis, start, n)
    shape = list(data.shape)
    shape[axis] = n
    filled = data.new_zeros(shape)
    filled.narrow(axis, -start, old).copy_(data)
    return filled


def regridded(image: Tensor, axis: int, n: int) -> Tensor:
    """Change the number of pixels along an axis, as cropping or zero-filling k-space does."""
    if image.shape[axis] == n:
        return image
    return inverse_fourier(resize(fourier(image, (axis,)), axis, n), (axis,))


def to_image(kspace: Tensor, *, grid: Zyx[int], matrix: Zyx[int]) -> Tensor:
    """Transform k-space to an image on a grid, and keep the centre.

    Parameters
    ----------
    kspace
        Complex. Shape `(... z y x)`.
    grid
        To which k-space is cropped or zero-filled: the pixel size.
    matrix
        To which the image is cropped or zero-filled: the field of view.

    Returns
    -------
        Complex. Shape `(... z y x)`.
    """
    steps = zip((-1, -2, -3), grid.as_tuple()[::-1], matrix.as_tuple()[::-1], strict=True)
    together: list[int] = []
    for axis, n_grid, n_matrix in steps:
        kspace = resize(kspace, axis, n_grid)
        together.append(axis)
        if n_grid != n_matrix:
            kspace = resize(inverse_fourier(kspace, together), axis, n_matrix)
            together = []
    return inverse_fourier(kspace, together) if together else kspace
