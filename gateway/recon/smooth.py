"""Sensitivities are smooth: made on a coarse grid, from the middle of k-space, and interpolated.

Axes of an image are the last ones, two or three of them; an axis of length 1 is left alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gateway.recon.fourier import inverse_fourier, resize
from gateway.recon.magnitudes import norm

COARSE = 4
"""Pixels of the image for each point of the grid."""
POINTS = 1000
"""So many are tried as the place where coils agree, and looked at to find the darkest."""
BRIGHT = 0.1
"""Of the brightest point: darker ones are not of the object."""
TINY = 1e-30
SQUARINGS = 6
"""The leading eigenvector is found by ``2 ** SQUARINGS`` powers."""


def low_resolution(block: Tensor, shape: Sequence[int]) -> Tensor:
    """Make coil images of calibration lines alone, tapered against ringing. Shape `(... *shape)`."""
    axes = range(-len(shape), 0)
    for axis in sorted(axes, key=lambda axis: shape[axis] / block.shape[axis]):  # the block grows as late as it may
        n = shape[axis]
        if block.shape[axis] > n:
            block = resize(block, axis, n)
        if block.shape[axis] > 1:
            window = torch.hann_window(block.shape[axis] + 2, periodic=False, device=block.device)[1:-1]
            block = block * window.reshape([-1 if each == axis else 1 for each in range(-block.ndim, 0)])
        block = inverse_fourier(resize(block, axis, n), (axis,))
    return block


def coarse(shape: Sequence[int]) -> tuple[int, ...]:
    """Give the grid on which sensitivities over an image of a shape are made."""
    return tuple(-(-n // COARSE) for n in shape)


def enlarged(maps: Tensor, shape: Sequence[int]) -> Tensor:
    """Interpolate from the coarse grid. Shape `(... *shape)`."""
    for axis, n in zip(range(-len(shape), 0), shape, strict=True):
        if maps.shape[axis] != n:
            maps = torch.tensordot(maps, _interpolation(n, maps.shape[axis], maps), dims=([axis], [1])).movedim(
                -1, axis
            )
    return maps.contiguous()


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


def normalised(maps: Tensor, *, axis: int = 0) -> Tensor:
    """Give maps norm 1 over the coils; where they are zero they stay so."""
    size = norm(maps, axis, keepdim=True)
    return maps / size.clamp_min(torch.finfo(size.dtype).tiny)


def reference_coil(images: Tensor) -> Tensor:
    """Give a combination of coils that is dark nowhere in the object: its phase is the maps' zero. Shape `(coil)`.

    Where it were zero, the phase would turn round a point, and maps that are smoothed or interpolated there would
    cancel: a hole in the image. Coils whose phases agree at one point add up there (Parker 2014,
    doi:10.1002/mrm.24932); of all such points the one is taken whose darkest place is brightest.

    Parameters
    ----------
    images
        Of the coils, of low resolution. Shape `(coil ...)`.
    """
    flat = images.flatten(1)
    brightness = norm(flat, 0)
    inside = (brightness >= BRIGHT * brightness.max()).nonzero()[:, 0]
    some = inside[:: -(-len(inside) // POINTS)]
    points = flat[:, some] / brightness[some].clamp_min(TINY)
    candidates = torch.sgn(points)
    darkest = (candidates.mH @ points).abs().amin(dim=1)
    return candidates[:, darkest.argmax()]


def in_phase(maps: Tensor, *, reference: Tensor) -> Tensor:
    """Turn maps `(set coil ...)` at each position so that the reference sees them as real and positive."""
    along = torch.tensordot(reference.conj(), maps, dims=([0], [1]))
    return maps * torch.polar(torch.ones_like(along.real), -along.angle()).unsqueeze(1)


def leading(operator: Tensor, n_sets: int) -> tuple[Tensor, Tensor]:
    """Find leading eigenvectors, shape `(set ... coil)`, and their eigenvalues, shape `(set ...)`, by powers.

    Parameters
    ----------
    operator
        Hermitian. Shape `(... coil coil)`.
    """
    vectors, values = [], []
    operator = operator.contiguous()  # matrices that are not are multiplied one by one
    for _ in range(n_sets):
        power = operator
        for _ in range(SQUARINGS):
            power = power @ power
            power /= power.diagonal(dim1=-2, dim2=-1).real.sum(dim=-1)[..., None, None].clamp_min(1e-30)
        best = power.diagonal(dim1=-2, dim2=-1).real.argmax(dim=-1)
        vector = power.gather(-1, best[..., None, None].expand(*power.shape[:-1], 1)).squeeze(-1)
        vector = vector / torch.linalg.vector_norm(vector, dim=-1, keepdim=True).clamp_min(1e-30)
        value = torch.einsum("...a,...ab,...b->...", vector.conj(), operator, vector).real
        operator = operator - value[..., None, None] * vector[..., :, None] * vector[..., None, :].conj()
        vectors.append(vector)
        values.append(value)
    return torch.stack(vectors), torch.stack(values)
