"""GRAPPA: missing lines as combinations of their measured neighbours (Griswold 2002, doi:10.1002/mrm.10171).

A kernel is a convolution along the readout, so where readouts are images already it is one small matrix for each
position x (Brau 2008, doi:10.1002/mrm.21481), and all missing lines of a slice are one batched matrix product.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gateway.model.errors import BadScan
from gateway.recon.fourier import fourier
from gateway.recon.lattice import Lattice

MOST_READOUT = 256
"""Points of the readout's k-space, around its centre, that a kernel is learned from."""


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
    weights = linear_weights(examples(block, kernel, n_x=n_x), regularisation)
    taps = weights.reshape(len(kernel.sources), block.shape[0], kernel.n_readout, -1)
    phases = _turns(n_x, kernel.n_readout, device=block.device)
    return torch.einsum("xk,scko->xsco", phases, taps).reshape(n_x, len(kernel.sources) * block.shape[0], -1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Every place of the calibration where a kernel fits, one line of k-space after the other.

    Parameters
    ----------
    sources
        Shape `(example source*coil*tap)`.
    targets
        Shape `(example target*coil)`.
    n_together
        Examples of one line.
    """

    sources: Tensor
    targets: Tensor
    n_together: int


def examples(block: Tensor, kernel: Kernel, *, n_x: int) -> Examples:
    """Collect what a kernel is learned from, of calibration in hybrid space `(coil z y x)`.

    Raises
    ------
    BadScan
        There are fewer calibration lines than the kernel is wide.
    """
    width = min(MOST_READOUT, n_x)
    kspace = fourier(block, (-1,)).narrow(-1, n_x // 2 - width // 2, width)
    sources, targets = _examples(kspace, kernel)
    return Examples(sources=sources, targets=targets, n_together=width - kernel.n_readout + 1)


def linear_weights(found: Examples, regularisation: float) -> Tensor:
    """Learn one matrix from sources to targets by ridge regression. Shape `(source*coil*tap target*coil)`.

    Raises
    ------
    BadScan
        Coils do not differ.
    """
    sources = found.sources
    return _ridge_regression(sources.mH @ sources, sources.mH @ found.targets, regularisation)


def _ridge_regression(normal: Tensor, right: Tensor, regularisation: float) -> Tensor:
    """Solve with as little regularisation as rounding allows, and at least what is asked for."""
    mean = float(normal.diagonal().real.mean())
    for more in (1.0, 10.0, 100.0):
        ridge = torch.eye(len(normal), device=normal.device) * (regularisation * more * mean)
        factor, failed = torch.linalg.cholesky_ex(normal + ridge)
        if not failed:
            return torch.cholesky_solve(right, factor)
    raise BadScan("the calibration lines do not tell how coils differ")


def _turns(n_x: int, n_taps: int, *, device: torch.device) -> Tensor:
    """Give what a shift by each tap is at each position. Shape `(x tap)`."""
    x = torch.arange(n_x, device=device, dtype=torch.float64) - n_x // 2
    taps = torch.arange(n_taps, device=device, dtype=torch.float64) - n_taps // 2
    angle = -2 * torch.pi * torch.outer(x, taps) / n_x
    return torch.polar(torch.ones_like(angle), angle).to(torch.complex64)


def _examples(kspace: Tensor, kernel: Kernel) -> tuple[Tensor, Tensor]:
    """Collect every place where the kernel fits. Shapes `(example source*coil*tap)` and `(example target*coil)`."""
    (z_low, z_high), (y_low, y_high) = kernel.reach
    _, n_z, n_y, _ = kspace.shape
    n_fit_z, n_fit_y = n_z - (z_high - z_low), n_y - (y_high - y_low)
    if n_fit_z < 1 or n_fit_y < 1:
        raise BadScan(f"{n_z} x {n_y} calibration lines are too few for a kernel that spans {y_high - y_low + 1} lines")
    half = kernel.n_readout // 2
    taps = kspace.unfold(-1, kernel.n_readout, 1)
    centre = kspace[..., half : half + taps.shape[-2]]

    def at(values: Tensor, z: int, y: int) -> Tensor:
        return values[:, z - z_low : z - z_low + n_fit_z, y - y_low : y - y_low + n_fit_y]

    sources = torch.stack([at(taps, z, y) for z, y in kernel.sources])
    targets = torch.stack([at(centre, z, y) for z, y in kernel.targets])
    return (
        sources.permute(2, 3, 4, 0, 1, 5).reshape(-1, sources.shape[0] * sources.shape[1] * kernel.n_readout),
        targets.permute(2, 3, 4, 0, 1).reshape(-1, targets.shape[0] * targets.shape[1]),
    )


def fill(hybrid: Tensor, lattice: Lattice, kernel: Kernel, weights: Tensor) -> Tensor:
    """Make what the lattice leaves out; beyond the edge of k-space neighbours count as zero.

    Parameters
    ----------
    hybrid
        Measured on the lattice. Shape `(coil z y x)`.
    weights
        From `learn`.

    Returns
    -------
        The points of the lattice as they are, the others made. Shape `(coil z y x)`.
    """
    n_coils, n_z, n_y, n_x = hybrid.shape
    (z_low, z_high), (y_low, y_high) = kernel.reach
    margin_z, margin_y = lattice.step_z + max(-z_low, z_high), lattice.step_y + max(-y_low, y_high)
    padded = torch.nn.functional.pad(hybrid.permute(3, 1, 2, 0), (0, 0, margin_y, margin_y, margin_z, margin_z))
    z, y = (torch.from_numpy(index).to(hybrid.device) for index in anchors(lattice, n_z, n_y))
    at_z, at_y = z + margin_z, y + margin_y

    dz, dy = torch.tensor(kernel.sources, device=hybrid.device).unbind(dim=1)
    sources = padded[:, at_z[:, None] + dz, at_y[:, None] + dy].reshape(n_x, len(z), -1)
    made = torch.bmm(sources, weights).reshape(n_x, len(z), len(kernel.targets), n_coils)
    dz, dy = torch.tensor(kernel.targets, device=hybrid.device).unbind(dim=1)
    filled = torch.zeros_like(padded)
    filled[:, at_z, at_y] = padded[:, at_z, at_y]
    filled[:, at_z[:, None] + dz, at_y[:, None] + dy] = made
    return filled[:, margin_z : margin_z + n_z, margin_y : margin_y + n_y].permute(3, 1, 2, 0)


def anchors(lattice: Lattice, n_z: int, n_y: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """List the points of the lattice whose cells reach into the matrix."""
    z = np.arange(1 - lattice.step_z, n_z)
    y = np.arange(1 - lattice.step_y, n_y)
    at_z, at_y = np.nonzero(lattice.holds(z[:, np.newaxis], y))
    return z[at_z], y[at_y]
