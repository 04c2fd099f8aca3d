"""Orthogonal Daubechies wavelets of images, periodic, and the shrinkage of their details; knows nothing of k-space.

Daubechies 1988, doi:10.1002/cpa.3160410705. One level along one axis is an orthogonal matrix that has four numbers in
each row, so blocks of points are multiplied with one small matrix: products are what CPUs and GPUs do fastest, and few
of these are with zero. The inverse is exact, and of the same form.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

# Two vanishing moments (db2), scaled to norm 1; longer ones err more on heads (docs/benchmarks.md).
SCALING = (0.48296291314453416, 0.8365163037378079, 0.2241438680420134, -0.1294095225512604)

SMALLEST = 16
"""Axes with fewer points are not transformed; the coarsest level has not fewer than half of them."""
MOST_LEVELS = 4
BLOCK = 32
"""Points that are made at a time where an axis has more than twice as many."""
REACH = len(SCALING) - 2
"""Points of the next block that a block's last filters see."""


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
        short = {axis: n - self.shape[axis] for axis, n in self._padded.items()}
        self._filling = [fill for axis in range(-1, -len(shape) - 1, -1) for fill in (0, short.get(axis, 0))]
        self._banks = [
            {axis: _bank(n >> level, device) for axis, n in self._padded.items()} for level in range(self.levels)
        ]

    def transform(self, images: Tensor, shifts: Sequence[int] = ()) -> Tensor:
        """Transform complex images. Shape `(2 ...)`, real and imaginary.

        Along each axis what is smooth and its detail lie beside each other, and the next level is in the places of what
        is smooth: the coarsest is every ``2**levels``-th point.

        Parameters
        ----------
        shifts
            By how many pixels images are moved around their edges before, along each axis; none without.
        """
        images = self._moved(images, shifts, 1)
        planes = torch.stack([images.real, images.imag])
        planes = pad(planes, self._filling) if any(self._filling) else planes
        for level, banks in enumerate(self._banks):
            smooth = changed = self._smooth(planes, level)
            for axis, bank in banks.items():
                changed = bank.apply(changed, axis)
            if level:
                smooth.copy_(changed)
            else:
                planes = changed
        return planes

    def inverse(self, planes: Tensor, shifts: Sequence[int] = ()) -> Tensor:
        """Give the complex images back, unmoved; changes the coefficients it is given."""
        for level, banks in reversed(list(enumerate(self._banks))):
            smooth = changed = self._smooth(planes, level)
            for axis, bank in banks.items():
                changed = bank.adjoint(changed, axis)
            if level:
                smooth.copy_(changed)
            else:
                planes = changed
        for axis in self._padded:
            planes = planes.narrow(axis, 0, self.shape[axis])
        return self._moved(torch.complex(planes[0], planes[1]), shifts, -1)

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
        coarsest = self._smooth(planes, self.levels).clone()
        power = torch.addcmul(planes[0].square(), planes[1], planes[1])
        if together is not None:
            power = power.sum(dim=together, keepdim=True)
        least = max(threshold**2, torch.finfo(power.dtype).tiny)  # what is smaller than the threshold becomes zero
        planes.mul_(power.clamp_min_(least).rsqrt_().mul_(-threshold).add_(1).clamp_min_(0))
        self._smooth(planes, self.levels).copy_(coarsest)
        return self.inverse(planes, shifts)

    def _moved(self, images: Tensor, shifts: Sequence[int], sign: int) -> Tensor:
        """Move images around their edges, along the axes that are transformed."""
        axes = [axis for axis in self._padded if shifts and shifts[axis]]
        return images.roll([sign * shifts[axis] for axis in axes], axes) if axes else images

    def _smooth(self, planes: Tensor, level: int) -> Tensor:
        """Take the points that the levels before have left smooth."""
        for axis in self._padded:
            planes = planes.unfold(axis, 1, 2**level).squeeze(-1)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bank:
    """One level along an axis: what makes a block of coefficients of points, and a block of points of coefficients.

    Parameters
    ----------
    forward
        From a block and the points after it that its last filters reach. Shape `(made from)`.
    backward
        From the coefficients that reach a block from before, and its own. Shape `(made from)`.
    """

    forward: Tensor
    backward: Tensor

    def apply(self, values: Tensor, axis: int) -> Tensor:
        """Filter values that go around their edge."""
        return _blockwise(torch.cat([values, values.narrow(axis, 0, REACH)], axis), axis, self.forward)

    def adjoint(self, values: Tensor, axis: int) -> Tensor:
        """Undo `apply`."""
        last = values.narrow(axis, values.shape[axis] - REACH, REACH)
        return _blockwise(torch.cat([last, values], axis), axis, self.backward)


def _bank(n: int, device: torch.device | None) -> _Bank:
    """Make the bank of an axis of n points, an even number: of one block where it is short."""
    size = n if n <= 2 * BLOCK else max(size for size in range(2, BLOCK + 1, 2) if n % size == 0)
    smoothing = torch.tensor(SCALING)
    detail = smoothing.flip(0) * torch.tensor([1.0, -1.0] * (len(SCALING) // 2))
    rows = torch.zeros(size + REACH, size + 2 * REACH)  # coefficients from REACH before a block to its end
    for row in range(0, size + REACH, 2):
        rows[row, row : row + len(SCALING)] = smoothing
        rows[row + 1, row : row + len(SCALING)] = detail
    forward, backward = rows[REACH:, REACH:], rows[:, REACH : REACH + size].T
    return _Bank(forward=forward.contiguous().to(device), backward=backward.contiguous().to(device))


def _blockwise(values: Tensor, axis: int, matrix: Tensor) -> Tensor:
    """Multiply one block after the other along an axis, each with the points that reach into it. `(made from)`."""
    made, needed = matrix.shape
    shape = list(values.shape)
    shape[axis] -= REACH
    if axis == -1:
        return (values.unfold(-1, needed, made).reshape(-1, needed) @ matrix.T).reshape(shape)
    columns = values.reshape(-1, values.shape[axis], math.prod(shape[axis + 1 :]))
    return (matrix @ columns.unfold(1, needed, made).mT).reshape(shape)
