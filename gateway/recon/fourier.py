"""The Fourier transform between k-space and image, centred and orthonormal, one axis at a time.

The signal is ``s(k) = sum rho(x) exp(-2 pi i k x)``, so an image is the inverse transform. Index ``N // 2`` is the centre on
both sides: k = 0, and the position that the scanner calls the centre. The shifts are phase factors, and for even N just
alternating signs.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor


def to_image_axis(kspace: Tensor, axis: int) -> Tensor:
    """Transform one axis from k-space to image: centred, orthonormal, inverse."""
    return _transform(kspace, axis, inverse=True)


def to_kspace_axis(image: Tensor, axis: int) -> Tensor:
    """Transform one axis from image to k-space: the adjoint, and the inverse, of `to_image_axis`."""
    return _transform(image, axis, inverse=False)


def _transform(values: Tensor, axis: int, *, inverse: bool) -> Tensor:
    before, after = (factor.to(values.device) for factor in _shifts(values.shape[axis], inverse=inverse))
    shape = [1] * values.ndim
    shape[axis] = -1
    shifted = values * before.view(shape)
    transform = torch.fft.ifft if inverse else torch.fft.fft
    return transform(shifted, dim=axis, norm="ortho").mul_(after.view(shape))


@lru_cache(maxsize=256)
def _shifts(n: int, *, inverse: bool) -> tuple[Tensor, Tensor]:
    """Give the factors before and after a transform that move index 0 to ``n // 2`` on both sides.

    From ``(k - c)(x - c) = kx - cx - ck + c^2``; real where n is even.
    """
    center, sign = n // 2, 1 if inverse else -1
    turns = torch.arange(n, dtype=torch.float64) * center / n
    constant = center * center / n
    before = torch.polar(torch.ones_like(turns), -2 * torch.pi * sign * turns)
    after = torch.polar(torch.ones_like(turns), -2 * torch.pi * sign * (turns - constant))
    if n % 2 == 0:
        return before.real.round().float(), after.real.round().float()
    return before.to(torch.complex64), after.to(torch.complex64)


def center_fit(values: Tensor, axis: int, n: int) -> Tensor:
    """Crop or zero-pad one axis to ``n``, so that its centre stays its centre."""
    size = values.shape[axis]
    if n == size:
        return values
    if n < size:
        return values.narrow(axis, size // 2 - n // 2, n)
    shape = list(values.shape)
    shape[axis] = n
    fitted = values.new_zeros(shape)
    fitted.narrow(axis, n // 2 - size // 2, size).copy_(values)
    return fitted
