"""GRAPPA: missing lines as combinations of their measured neighbours (Griswold 2002, doi:10.1002/mrm.10171).

A kernel is a convolution along the readout, so where readouts are images already it is one small matrix for each
position x (Brau 2008, doi:10.1002/mrm.21481), and all missing lines of a slice are one batched matrix product.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gateway.model.errors import BadScan
from gateway.recon.fourier import fourier, inverse_fourier
from gateway.recon.lattice import Lattice

MOST_READOUT = 256
"""Points of the readout's k-space, around its centre, that a kernel is learned from."""
PRODUCT_BYTES = 8 << 20
"""Memory for the scalar products that are worked on together: so much stays in a cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """The shape of a kernel: which points are combined, and which are made, counted from a point of the lattice.

    Each point is ``(z, y)``.
    """

    sources: tuple[tuple[int, int], ...]
    targets: tuple[tuple[int, int], ...]
    n_readout: int

    @property
    def reach(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Lowest and highest offsets along z and along y."""
        z, y = zip(*self.sources, *self.targets, strict=True)
        return (min(z), max(z)), (min(y), max(y))


def kernel_for(lattice: Lattice, *, n_lines: int, n_readout: int) -> Kernel:
    """Lay out a kernel of so many measured lines (and, in 3D, two partitions) around a cell of the lattice."""
    turns = range(-(n_lines // 2 - 1), n_lines // 2 + 1) if lattice.step_y > 1 else range(-1, 2)
    deep = range(2) if lattice.step_z > 1 else range(1)
    sources = [(j * lattice.step_z, i * lattice.step_y + _nearest(j, lattice)) for j in deep for i in turns]
    cell = [(z, y) for z in range(lattice.step_z) for y in range(lattice.step_y) if (z, y) != (0, 0)]
    return Kernel(sources=tuple(sources), targets=tuple(cell), n_readout=n_readout)


def _nearest(turn: int, lattice: Lattice) -> int:
    """Say how far lines of another partition of the lattice are moved, the short way round."""
    moved = turn * lattice.shift % lattice.step_y
    return moved - lattice.step_y if moved > lattice.step_y // 2 else moved


def learn(block: Tensor, kernel: Kernel, *, n_x: int, regularisation: float) -> Tensor:
    """Learn weights from calibration lines by ridge regression.

    Parameters
    ----------
    block
        Calibration in hybrid space, without gaps. Shape `(coil z y x)`.
    regularisation
        Of the mean diagonal of the normal matrix.

    Returns
    -------
        Weights for every position. Shape `(x source*coil target*coil)`.

    Raises
    ------
    BadScan
        There are fewer calibration lines than the kernel is wide, or coils that do not differ.
    """
    taps = learn_taps(block, kernel, regularisation=regularisation)
    n_taps, n_sources, n_targets = taps.shape
    phases = _turns(n_x, range(n_taps), device=block.device)
    # Real products are several times as fast as thin complex ones.
    both = torch.stack([taps, 1j * taps], dim=1).flatten(2)
    product = torch.view_as_real(phases).flatten(1) @ torch.view_as_real(both).flatten(0, 1).flatten(1)
    return torch.view_as_complex(product.reshape(n_x, n_sources, n_targets, 2))


def learn_taps(block: Tensor, kernel: Kernel, *, regularisation: float) -> Tensor:
    """Learn the kernel itself, a convolution along the readout. Shape `(tap source*coil target*coil)`.

    Least squares over all points of the readout's k-space are least squares over all positions x (Parseval), where a
    shift by a tap is a phase. So the normal matrix is made of one small matrix of scalar products for each position.

    Raises
    ------
    BadScan
        There are fewer calibration lines than the kernel is wide, or coils that do not differ.
    """
    sources, targets = neighbours(_narrowed(block), kernel)
    n_taps, n_sources = kernel.n_readout, sources.shape[-1]
    lags = _correlated(sources, torch.cat([sources, targets], dim=-1), n_taps)
    tap = torch.arange(n_taps, device=block.device)
    zero = n_taps - 1
    normal = lags[tap - tap[:, None] + zero, :, :n_sources].transpose(1, 2).reshape(n_taps * n_sources, -1)
    right = lags[zero + n_taps // 2 - tap, :, n_sources:].flatten(0, 1)
    return _ridge_regression(normal, right, regularisation).reshape(n_taps, n_sources, -1)


def _narrowed(block: Tensor) -> Tensor:
    """Keep the middle of the readout's k-space, as fewer positions."""
    n_x = block.shape[-1]
    if n_x <= MOST_READOUT:
        return block
    return inverse_fourier(fourier(block, (-1,)).narrow(-1, n_x // 2 - MOST_READOUT // 2, MOST_READOUT), (-1,))


def neighbours(block: Tensor, kernel: Kernel) -> tuple[Tensor, Tensor]:
    """Collect every place of the calibration where the kernel fits, at each position of the readout.

    Parameters
    ----------
    block
        Shape `(coil z y x)`.

    Returns
    -------
        Shapes `(x place source*coil)` and `(x place target*coil)`.

    Raises
    ------
    BadScan
        There are fewer calibration lines than the kernel is wide.
    """
    (z_low, z_high), (y_low, y_high) = kernel.reach
    _, n_z, n_y, _ = block.shape
    n_fit_z, n_fit_y = n_z - (z_high - z_low), n_y - (y_high - y_low)
    if n_fit_z < 1 or n_fit_y < 1:
        raise BadScan(f"{n_z} x {n_y} calibration lines are too few for a kernel that spans {y_high - y_low + 1} lines")
    laid = block.permute(3, 1, 2, 0).contiguous()

    def at(points: Sequence[tuple[int, int]]) -> Tensor:
        moved = (laid[:, z - z_low : z - z_low + n_fit_z, y - y_low : y - y_low + n_fit_y] for z, y in points)
        return torch.cat(list(moved), dim=-1).flatten(1, 2)

    return at(kernel.sources), at(kernel.targets)


def _correlated(left: Tensor, right: Tensor, n_taps: int) -> Tensor:
    """Give the scalar products of columns, one of them shifted along the readout by every lag.

    Parameters
    ----------
    left, right
        Shapes `(x place column)` and `(x place other)`.

    Returns
    -------
        From the lag ``1 - n_taps`` on. Shape `(lag column other)`.
    """
    n_x, _, n_columns = left.shape
    n_others = right.shape[-1]
    turns = torch.view_as_real(_turns(n_x, range(n_taps), device=left.device, middle=0))
    weights = torch.cat([turns[..., 0], turns[..., 1]], dim=1).T
    sums = weights.new_zeros(2 * n_taps, 2 * n_columns * n_others)
    step = max(1, PRODUCT_BYTES // (8 * n_columns * n_others))
    for x in range(0, n_x, step):
        products = left[x : x + step].mH @ right[x : x + step]
        sums.addmm_(weights[:, x : x + step], torch.view_as_real(products).flatten(1))
    real, imaginary = torch.view_as_complex(sums.reshape(2, n_taps, n_columns, n_others, 2))
    return torch.cat([(real - 1j * imaginary)[1:].flip(0), real + 1j * imaginary])


def _ridge_regression(normal: Tensor, right: Tensor, regularisation: float) -> Tensor:
    """Solve with as little regularisation as rounding allows, and at least what is asked for."""
    mean = float(normal.diagonal().real.mean())
    for more in (1.0, 10.0, 100.0):
        ridge = torch.eye(len(normal), device=normal.device) * (regularisation * more * mean)
        factor, failed = torch.linalg.cholesky_ex(normal + ridge)
        if not failed:
            return torch.cholesky_solve(right, factor)
    raise BadScan("the calibration lines do not tell how coils differ")


def _turns(n_x: int, taps: range, *, device: torch.device, middle: int | None = None) -> Tensor:
    """Give what a shift by each tap, counted from the middle one, is at each position. Shape `(x tap)`."""
    x = torch.arange(n_x, device=device, dtype=torch.float64) - n_x // 2
    moved = torch.tensor(taps, device=device, dtype=torch.float64) - (len(taps) // 2 if middle is None else middle)
    angle = -2 * torch.pi * torch.outer(x, moved) / n_x
    return torch.polar(torch.ones_like(angle), angle).to(torch.complex64)


def fill(hybrid: Tensor, lattice: Lattice, kernel: Kernel, weights: Tensor) -> Tensor:
    """Make what the lattice leaves out; beyond the edge of k-space neighbours count as zero.

    Parameters
    ----------
    hybrid
        Only what lies on the lattice is looked at. Shape `(coil z y x)`.
    weights
        From `learn`.

    Returns
    -------
        The points of the lattice as they are, the others made. Shape `(coil z y x)`, coils beside each other in memory.
    """
    n_coils, n_z, n_y, n_x = hybrid.shape
    step_z, step_y = lattice.step_z, lattice.step_y
    rows = _Rows(hybrid, lattice, margin=2 + max(abs(y) for _, y in kernel.sources) // step_y)
    whole = hybrid.new_zeros(n_x, n_z + 2 * (step_z - 1), n_y + 2 * step_y, n_coils)
    for z in range(lattice.first_z % step_z - step_z, n_z, step_z):
        if z + step_z <= 0:
            continue
        # One cell more than lines: it reaches into the matrix from before it.
        n_cells, first = rows.n_lines(z) + 1, lattice.first_line(z)
        near = [rows.lines(z + dz, first + dy - step_y, n_cells) for dz, dy in kernel.sources]
        made = torch.bmm(torch.cat(near, dim=-1), weights)
        cells = whole[:, z + step_z - 1 : z + 2 * step_z - 1, first : first + n_cells * step_y]
        cells = cells.view(n_x, step_z, n_cells, step_y * n_coils).transpose(1, 2)
        own = (step_y - 1) * n_coils
        cells[:, :, 0, :n_coils] = rows.lines(z, first - step_y, n_cells)
        cells[:, :, 0, n_coils:] = made[..., :own]
        if step_z > 1:
            cells[:, :, 1:] = made[..., own:].reshape(n_x, n_cells, step_z - 1, step_y * n_coils)
    return whole[:, step_z - 1 : step_z - 1 + n_z, step_y : step_y + n_y].permute(3, 1, 2, 0)


class _Rows:
    """The lines that lie on a lattice, partition by partition, with lines of zeros around them.

    Parameters
    ----------
    hybrid
        Shape `(coil z y x)`.
    margin
        Lines of zeros before the first and after the last.
    """

    def __init__(self, hybrid: Tensor, lattice: Lattice, *, margin: int) -> None:
        self._hybrid, self._lattice, self._margin = hybrid, lattice, margin
        self._laid: dict[int, Tensor] = {}

    def n_lines(self, z: int) -> int:
        """Count the lines of a partition."""
        return len(range(self._lattice.first_line(z), self._hybrid.shape[2], self._lattice.step_y))

    def lines(self, z: int, y: int, n: int) -> Tensor:
        """Give n lines of a partition from one on, in steps of the lattice. Shape `(x line coil)`."""
        start = (y - self._lattice.first_line(z)) // self._lattice.step_y + self._margin
        return self._partition(z)[:, start : start + n]

    def _partition(self, z: int) -> Tensor:
        if z not in self._laid:
            n_coils, n_z, _, n_x = self._hybrid.shape
            n = self.n_lines(z)
            laid = self._hybrid.new_zeros(n_x, n + 2 * self._margin, n_coils)
            if 0 <= z < n_z:
                some = self._hybrid[:, z, self._lattice.first_line(z) :: self._lattice.step_y]
                laid[:, self._margin : self._margin + n] = some.permute(2, 1, 0)
            self._laid = {at: kept for at, kept in self._laid.items() if abs(at - z) <= self._lattice.step_z}
            self._laid[z] = laid
        return self._laid[z]
