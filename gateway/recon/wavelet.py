"""Orthogonal Daubechies wavelets of images, periodic, and the shrinkage of their details; knows nothing of k-space.

Daubechies 1988, doi:10.1002/cpa.3160410705. One level along one axis is a product with an orthogonal matrix: that is
what CPUs and GPUs do fastest at the size of an image, and what makes the inverse exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

# Four vanishing moments (db4), scaled to norm 1.
SCALING = (
    0.23037781330885523,
    0.7148465705525415,
    0.6308807679295904,
    -0.02798376941698385,
    -0.18703481171888114,
    0.030841381835986965,
    0.032883011666982945,
    -0.010597401784997278,
)

SMALLEST = 16
"""Axes with fewer points are not transformed; the coarsest level has not fewer than half of them."""
MOST_LEVELS = 4


class Wavelet:
    """The transform of images of one shape.

    Images are filled up with zeros to sizes that can be halved so often; on sizes that can, it is orthogonal, otherwise
    it still keeps the norm, and the inverse is exact either way.

    Parameters
    ----------
    shape
        Of the last axes of the images.
    """

    def __init__(self, shape: Sequence[int], *, device: torch.device | None = None) -> None:
        self.shape = tuple(shape)
        sizes = {axis - len(shape): n for axis, n in enumerate(shape) if n >= SMALLEST}
        shortest = min(sizes.values(), default=SMALLEST)
        self.levels = min(MOST_LEVELS, max(1, int(math.log2(shortest / SMALLEST)) + 1)) if sizes else 0
        step = 2**self.levels
        self._padded = {axis: -(-n // step) * step for axis, n in sizes.items()}
        self._matrices = [
            {axis: _level_matrix(n >> level).to(device) for axis, n in self._padded.items()}
            for level in range(self.levels)
        ]
        self._first = (
            {axis: matrix[:, : self.shape[axis]] for axis, matrix in self._matrices[0].items()} if sizes else {}
        )

    def transform(self, images: Tensor, shifts: Sequence[int] = ()) -> Tensor:
        """Transform complex images. Shape `(2 ...)`, real and imaginary; the coarsest level in the first corner.

        Parameters
        ----------
        shifts
            By how many pixels images are moved around their edges before, along each axis; none without.
        """
        planes = torch.stack([images.real, images.imag])
        for axis, matrix in self._shifted(shifts).items():
            planes = _along(planes, axis, matrix)
        for level, matrices in enumerate(self._matrices[1:], 1):
            corner = self._corner(planes, level)
            changed = corner
            for axis, matrix in matrices.items():
                changed = _along(changed, axis, matrix)
            corner.copy_(changed)
        return planes

    def inverse(self, planes: Tensor, shifts: Sequence[int] = ()) -> Tensor:
        """Give the complex images back, unmoved; changes the coefficients it is given."""
        for level in reversed(range(1, self.levels)):
            corner = self._corner(planes, level)
            changed = corner
            for axis, matrix in self._matrices[level].items():
                changed = _along(changed, axis, matrix.T)
            corner.copy_(changed)
        for axis, matrix in self._shifted(shifts).items():
            planes = _along(planes, axis, matrix.T)
        return torch.complex(planes[0], planes[1])

    def shrink(
        self, images: Tensor, threshold: float, *, together: int | None = None, shifts: Sequence[int] = ()
    ) -> Tensor:
        """Bring the details nearer to zero by a threshold, the coarsest level left as it is.

        The proximal map of ``threshold * |details|_1`` (Donoho 1995, doi:10.1109/18.382009).

        Parameters
        ----------
        together
            An axis of the images, counted from the end, along which details count by their norm: coils.
        shifts
            As for `transform`.
        """
        planes = self.transform(images, shifts)
        coarsest = self._corner(planes, self.levels).clone()
        power = torch.addcmul(planes[0].square(), planes[1], planes[1])
        if together is not None:
            power = power.sum(dim=together, keepdim=True)
        least = max(threshold**2, torch.finfo(power.dtype).tiny)  # what is smaller than the threshold becomes zero
        planes.mul_(power.clamp_min_(least).rsqrt_().mul_(-threshold).add_(1).clamp_min_(0))
        self._corner(planes, self.levels).copy_(coarsest)
        return self.inverse(planes, shifts)

    def _shifted(self, shifts: Sequence[int]) -> dict[int, Tensor]:
        """Give the matrices of the first level for images moved so far: moving them is moving its columns."""
        if not shifts:
            return self._first
        return {axis: matrix.roll(-shifts[axis], 1) for axis, matrix in self._first.items()}

    def _corner(self, planes: Tensor, level: int) -> Tensor:
        """Take the block that the levels before have left smooth."""
        for axis, n in self._padded.items():
            planes = planes.narrow(axis, 0, n >> level)
        return planes


def shifting_shrinkage(
    wavelet: Wavelet, penalty: float, *, together: int | None = None
) -> Callable[[Tensor, float], Tensor]:
    """Shrink on a grid that is shifted anew at every step, so that no place is an edge of blocks (cycle spinning).

    Figueiredo 2003, doi:10.1109/TIP.2003.814255. The shifts are the same in every run.

    Parameters
    ----------
    penalty
        Weight of the details' magnitudes.
    together
        As for `Wavelet.shrink`.

    Returns
    -------
        A proximal map for `solvers.fista`.
    """
    random = torch.Generator().manual_seed(0)
    most = 2**wavelet.levels

    def proximal(images: Tensor, step: float) -> Tensor:
        shifts = torch.randint(0, most, (len(wavelet.shape),), generator=random).tolist()
        return wavelet.shrink(images, penalty * step, together=together, shifts=shifts)

    return proximal


def _level_matrix(n: int) -> Tensor:
    """Make the matrix of one level: the upper half smooths, the lower half takes details. Shape `(n n)`, orthogonal."""
    taps = torch.tensor(SCALING, dtype=torch.float64)
    details = taps.flip(0) * torch.tensor([1.0, -1.0] * (len(SCALING) // 2), dtype=torch.float64)
    matrix = torch.zeros(n, n, dtype=torch.float64)
    for row in range(n // 2):
        places = (2 * row + torch.arange(len(SCALING))) % n
        matrix[row].index_add_(0, places, taps)
        matrix[n // 2 + row].index_add_(0, places, details)
    return matrix.float()


def _along(values: Tensor, axis: int, matrix: Tensor) -> Tensor:
    """Multiply along one axis."""
    shape = list(values.shape)
    shape[axis] = len(matrix)
    if axis == -1:
        return (values.reshape(-1, values.shape[-1]) @ matrix.T).reshape(shape)
    after = math.prod(shape[axis + 1 :])
    columns = values.reshape(-1, values.shape[axis], after)
    return torch.bmm(matrix.expand(len(columns), -1, -1), columns).reshape(shape)
