"""Density compensation: how much of k-space each sample stands for; knows nothing of scans."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from gateway.recon.nufft import fast_size, kernel_of, kernel_transform

WIDTH = 4
SHAPE = 9.0
"""A kernel whose transform covers the field of view, without much beyond."""


def density_weights(points: Tensor, matrix: Sequence[int], *, steps: int = 20) -> Tensor:
    """Find weights that the kernel smooths to one everywhere (Pipe 1999).

    doi:10.1002/(SICI)1522-2594(199901)41:1<179::AID-MRM25>3.0.CO;2-V. They are areas, in cells of k-space, so
    that the adjoint of `nufft.Nufft`, weighted by them, is the inverse wherever k-space is covered; where it is covered
    just so, as by the points of a grid, they come out a tenth too small.

    Parameters
    ----------
    points
        In cycles per field of view, float64. Shape `(sample axis)`.

    Returns
    -------
        Real, positive. Shape `(sample,)`.
    """
    grid = [fast_size(2 * n) for n in matrix]
    ratios = [fine / n for fine, n in zip(grid, matrix, strict=True)]
    kernel = kernel_of(points * points.new_tensor(ratios), grid, [SHAPE] * len(grid), width=WIDTH)
    volume = float(kernel_transform(torch.zeros((), dtype=torch.float64), SHAPE, WIDTH)) ** (2 * len(grid))
    unit = math.prod(ratios) / volume
    weights = torch.ones((len(points), 1), device=points.device)
    for _ in range(steps):
        weights = weights / (unit * (kernel.gather @ (kernel.spread @ weights)))
    return weights[:, 0]
