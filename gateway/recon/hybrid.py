"""Between k-space and image: readouts are images already and cut to the field of view, lines still are k-space.

Undersampling leaves lines out, never samples of a readout; so whatever unfolds an image works here, on 1D transforms
and on one small problem for each position x.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gateway.recon.fourier import inverse_fourier, resize
from gateway.recon.space import Target

X = -1


def to_hybrid(samples: Tensor, target: Target) -> Tensor:
    """Transform readouts; oversampling goes with the margin. Shape `(... z y x)`, x that of the image."""
    grid, n_x = resize(samples, X, target.grid.x), target.matrix.x
    if target.grid.x % 2 or n_x > target.grid.x:
        return resize(inverse_fourier(grid, (X,)), X, n_x)
    image = middle_of(torch.fft.ifft(grid, dim=X, norm="ortho"), X, n_x)
    signs = 1 - 2 * ((torch.arange(n_x, device=image.device) - n_x // 2) % 2)
    torch.view_as_real(image).mul_(signs[:, None])  # the shift of an even axis in k-space
    return image


def middle_of(image: Tensor, axis: int, n: int) -> Tensor:
    """Cut the middle out of an axis whose centre is still at index 0, and bring that to ``n // 2``."""
    before = image.narrow(axis, image.shape[axis] - n // 2, n // 2)
    return torch.cat([before, image.narrow(axis, 0, n - n // 2)], dim=axis)


def to_matrix(hybrid: Tensor, target: Target) -> Tensor:
    """Finish k-space, and transform partitions and lines to the matrix of the image. Shape `(... z y x)`."""
    hybrid = target.finish(hybrid)
    for axis, n_grid, n_matrix in ((-2, target.grid.y, target.matrix.y), (-3, target.grid.z, target.matrix.z)):
        if hybrid.shape[axis] > 1 or n_grid > 1:
            hybrid = inverse_fourier(resize(hybrid, axis, n_grid), (axis,))
        hybrid = resize(hybrid, axis, n_matrix)
    return hybrid
