"""Between k-space and image: readouts are images already and cut to the field of view, lines still are k-space.

Undersampling leaves lines out, never samples of a readout; so whatever unfolds an image works here, on 1D transforms
and on one small problem for each position x.
"""

from __future__ import annotations

from torch import Tensor

from gateway.recon.fourier import inverse_fourier, resize
from gateway.recon.space import Target

X = -1


def to_hybrid(samples: Tensor, target: Target) -> Tensor:
    """Transform readouts; oversampling goes with the margin. Shape `(... z y x)`, x that of the image."""
    grid = resize(samples, X, target.grid.x)
    return resize(inverse_fourier(grid, (X,)), X, target.matrix.x)


def to_matrix(hybrid: Tensor, target: Target) -> Tensor:
    """Finish k-space, and transform partitions and lines to the matrix of the image. Shape `(... z y x)`."""
    hybrid = target.finish(hybrid)
    for axis, n_grid, n_matrix in ((-2, target.grid.y, target.matrix.y), (-3, target.grid.z, target.matrix.z)):
        if hybrid.shape[axis] > 1 or n_grid > 1:
            hybrid = inverse_fourier(resize(hybrid, axis, n_grid), (axis,))
        hybrid = resize(hybrid, axis, n_matrix)
    return hybrid
