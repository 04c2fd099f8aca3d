"""Coil sensitivities from calibration lines, on a coarse grid and interpolated: they are smooth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gateway.recon.fourier import fourier, inverse_fourier, resize

KERNEL = 6
"""Points of k-space along each axis that coils are linked over."""
CALIBRATION_POINTS = 24
"""Points of k-space along each axis that the links are learned from."""
COARSE = 4
"""Pixels of the image for each point of the grid."""
SQUARINGS = 6
"""The leading eigenvector is found by ``2 ** SQUARINGS`` powers."""


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
    vectors, values = _leading(operator, n_sets)
    reference = _strongest(block)
    along = torch.einsum("c,syxc->syx", reference.conj(), vectors)
    vectors = vectors * torch.polar(torch.ones_like(along.real), -along.angle()).unsqueeze(-1)

    rows, columns = (_interpolation(n, m, block) for n, m in zip((n_y, n_x), grid, strict=True))
    maps = torch.einsum("Yy,syxc,Xx->scYX", rows, vectors, columns)
    norm = torch.linalg.vector_norm(maps, dim=1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
    explained = torch.einsum("Yy,syx,Xx->sYX", rows.real, values, columns.real)
    return Sensitivities(maps=maps / norm, explained=explained.clamp(0, 1))


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


def _leading(operator: Tensor, n_sets: int) -> tuple[Tensor, Tensor]:
    """Find leading eigenvectors, shape `(set y x coil)`, and their eigenvalues, shape `(set y x)`, by powers."""
    vectors, values = [], []
    for _ in range(n_sets):
        power = operator
        for _ in range(SQUARINGS):
            power = power @ power
            power = power / power.diagonal(dim1=-2, dim2=-1).real.sum(dim=-1)[..., None, None].clamp_min(1e-30)
        best = power.diagonal(dim1=-2, dim2=-1).real.argmax(dim=-1)
        vector = power.gather(-1, best[..., None, None].expand(*power.shape[:-1], 1)).squeeze(-1)
        vector = vector / torch.linalg.vector_norm(vector, dim=-1, keepdim=True).clamp_min(1e-30)
        value = torch.einsum("yxa,yxab,yxb->yx", vector.conj(), operator, vector).real
        operator = operator - value[..., None, None] * vector[..., :, None] * vector[..., None, :].conj()
        vectors.append(vector)
        values.append(value)
    return torch.stack(vectors), torch.stack(values)


def _strongest(block: Tensor) -> Tensor:
    """Give the combination of coils that holds most of the signal: its phase is the maps' zero. Shape `(coil)`."""
    flat = block.flatten(1)
    strongest: Tensor = torch.linalg.eigh(flat @ flat.mH).eigenvectors[:, -1]
    return strongest


def _interpolation(n: int, n_grid: int, like: Tensor) -> Tensor:
    """Interpolate a periodic axis by cubics (Keys 1981, doi:10.1109/TASSP.1981.1163711). Shape `(n grid)`.

    The centres, ``n // 2`` and ``n_grid // 2``, are the same place.
    """
    places = (torch.arange(n, dtype=torch.float64) - n // 2) * n_grid / n + n_grid // 2
    first = places.floor()
    weights = torch.zeros(n, n_grid, dtype=torch.float64)
    for offset in (-1, 0, 1, 2):
        distance = (places - first - offset).abs()
        near = (1.5 * distance - 2.5) * distance**2 + 1
        far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
        weight = torch.where(distance <= 1, near, torch.where(distance < 2, far, 0.0))  # noqa: PLR2004 - Keys' cubic
        column = ((first + offset) % n_grid).long()
        weights.scatter_add_(1, column[:, None], weight[:, None])
    return weights.to(device=like.device, dtype=like.dtype)


def low_resolution(block: Tensor, *, n_y: int, n_x: int) -> Tensor:
    """Make coil images of calibration lines alone, tapered against ringing. Shape `(coil y x)`."""
    for axis, n in ((-2, n_y), (-1, n_x)):
        shape = [1] * block.ndim
        shape[axis] = -1
        block = block * torch.hann_window(block.shape[axis] + 2, periodic=False, device=block.device)[1:-1].view(shape)
        block = inverse_fourier(resize(block, axis, n), (axis,))
    return block


def walsh(block: Tensor, *, n_y: int, n_x: int, width: int = 5) -> Tensor:
    """Estimate sensitivities by the covariance of coils in a window around each point of the grid.

    Walsh 2000, doi:10.1002/(SICI)1522-2594(200005)43:5<682::AID-MRM10>3.0.CO;2-G.

    Parameters
    ----------
    block
        Calibration k-space, without gaps. Shape `(coil y x)`.

    Returns
    -------
        Maps of norm 1. Shape `(coil y x)`.
    """
    images = low_resolution(block, n_y=-(-n_y // COARSE), n_x=-(-n_x // COARSE))
    n_coils = images.shape[0]
    products = torch.einsum("ayx,byx->abyx", images, images.conj()).flatten(0, 1)
    local = _smoothed(products, width).reshape(n_coils, n_coils, *images.shape[1:]).permute(2, 3, 0, 1)
    scale = local.diagonal(dim1=-2, dim2=-1).real.sum(dim=-1)[..., None, None].clamp_min(1e-30)
    vectors, _ = _leading(local / scale, 1)
    reference = _strongest(images)
    along = torch.einsum("c,yxc->yx", reference.conj(), vectors[0])
    maps = vectors[0] * torch.polar(torch.ones_like(along.real), -along.angle())[..., None]
    return _enlarged(maps.permute(2, 0, 1), n_y=n_y, n_x=n_x)


def inati(block: Tensor, *, n_y: int, n_x: int, width: int = 5, steps: int = 5) -> Tensor:
    """Estimate sensitivities and a smooth image in turn, so that phase does not jump (Inati 2014, ISMRM 22:4407).

    Parameters
    ----------
    block
        Calibration k-space, without gaps. Shape `(coil y x)`.

    Returns
    -------
        Maps of norm 1. Shape `(coil y x)`.
    """
    tiny = torch.finfo(torch.float32).tiny
    images = low_resolution(block, n_y=-(-n_y // COARSE), n_x=-(-n_x // COARSE))
    maps = images.sum(dim=(-2, -1))[:, None, None].expand_as(images)
    maps = maps / torch.linalg.vector_norm(maps, dim=0, keepdim=True).clamp_min(tiny)
    for _ in range(steps):
        combined = (maps.conj() * images).sum(dim=0)
        maps = _smoothed(images * combined.conj(), width)
        together = torch.einsum("cyx,c->yx", maps.conj(), maps.flatten(1).sum(dim=1))
        maps = maps * torch.polar(torch.ones_like(together.real), together.angle())
        maps = maps / torch.linalg.vector_norm(maps, dim=0, keepdim=True).clamp_min(tiny)
    return _enlarged(maps, n_y=n_y, n_x=n_x)


def _enlarged(maps: Tensor, *, n_y: int, n_x: int) -> Tensor:
    """Interpolate maps of norm 1. Shape `(coil y x)`."""
    rows, columns = _interpolation(n_y, maps.shape[1], maps), _interpolation(n_x, maps.shape[2], maps)
    large = torch.einsum("Yy,cyx,Xx->cYX", rows, maps, columns)
    norm: Tensor = torch.linalg.vector_norm(large, dim=0, keepdim=True)
    return large / norm.clamp_min(torch.finfo(torch.float32).tiny)


def _smoothed(images: Tensor, width: int) -> Tensor:
    """Average over a square window. Shape `(n y x)`."""
    parts = torch.view_as_real(images).permute(0, 3, 1, 2)
    average = torch.nn.functional.avg_pool2d(parts, width, stride=1, padding=width // 2, count_include_pad=False)
    return torch.view_as_complex(average.permute(0, 2, 3, 1).contiguous())
