"""Fewer, virtual coils that hold nearly all the signal of the real ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gateway.recon.hybrid import to_hybrid
from gateway.recon.space import Target

NEIGHBOURS = 2
"""Positions on either side along the readout from which geometric compression learns as well: less noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compression:
    """How real coils become virtual ones.

    Parameters
    ----------
    coils
        Orthonormal rows, so that white noise stays white: the same everywhere, shape `(virtual coil)`, or for each
        position along the readout, shape `(x virtual coil)`.
    kept
        Share of the power of the calibration that the virtual coils hold.
    """

    coils: Tensor
    kept: float

    @property
    def turns(self) -> bool:
        """Whether virtual coils differ along the readout."""
        return self.coils.ndim > 2  # noqa: PLR2004 - (x virtual coil)

    @property
    def note(self) -> str:
        """What the reader of the series should know of it."""
        n_virtual, n_coils = self.coils.shape[-2:]
        how = "geometrically" if self.turns else "by SVD"
        return f"{n_coils} coils compressed to {n_virtual} {how}; {self.kept:.1%} of the signal kept."

    def to_hybrid(self, samples: Tensor, target: Target) -> Tensor:
        """Bring k-space of real coils to hybrid space of virtual ones. Shape `(... coil z y x)`."""
        coils = self.coils.to(samples.device)
        if self.turns:
            return turned(to_hybrid(samples, target), coils)
        return to_hybrid(torch.einsum("vc,...czyx->...vzyx", coils, samples), target)


def turned(values: Tensor, coils: Tensor) -> Tensor:
    """Give what virtual coils `(x virtual coil)` have of real ones `(... coil z y x)`."""
    return torch.einsum("xvc,...czyx->...vzyx", coils, values)


def unturned(values: Tensor, coils: Tensor) -> Tensor:
    """Give what real coils have of virtual ones: the adjoint of `turned`."""
    return torch.einsum("xvc,...vzyx->...czyx", coils.conj(), values)


def by_svd(blocks: Sequence[Tensor], n_virtual: int) -> Compression:
    """Find the virtual coils that hold most of the signal (SVD; Buehrer 2007, doi:10.1002/mrm.21237).

    Parameters
    ----------
    blocks
        Calibration of every slice. Shape `(coil z y x)` each.
    """
    covariance = torch.stack([_covariance(block.flatten(1)) for block in blocks]).sum(dim=0)
    powers, coils = _strongest(covariance, n_virtual)
    return Compression(coils=coils, kept=float(powers[-n_virtual:].sum() / powers.sum()))


def geometric(blocks: Sequence[Tensor], n_virtual: int, target: Target) -> Compression:
    """Find virtual coils for each position along the readout, where fewer see all, aligned from one to the next.

    Zhang 2013, doi:10.1002/mrm.24267. Neighbours differ by a unitary matrix at the most that is chosen so that they
    differ least: k-space along the readout stays as smooth as it was.

    Parameters
    ----------
    blocks
        Calibration of every slice. Shape `(coil z y x)` each.
    """
    at_x = torch.cat([to_hybrid(block, target).flatten(1, 2) for block in blocks], dim=1).permute(2, 0, 1)
    covariances = _covariance(at_x)
    n_x = len(covariances)
    near = [covariances[max(0, x - NEIGHBOURS) : x + NEIGHBOURS + 1].sum(dim=0) for x in range(n_x)]
    _, coils = _strongest(torch.stack(near), n_virtual)
    aligned = [coils[n_x // 2]]
    for x in range(n_x // 2 + 1, n_x):
        aligned.append(_aligned(coils[x], aligned[-1]))
    for x in range(n_x // 2 - 1, -1, -1):
        aligned.insert(0, _aligned(coils[x], aligned[0]))
    found = torch.stack(aligned)
    return Compression(coils=found, kept=float((found @ at_x).abs().square().sum() / at_x.abs().square().sum()))


def _covariance(samples: Tensor) -> Tensor:
    covariance: Tensor = samples @ samples.mH
    return covariance


def _strongest(covariance: Tensor, n_virtual: int) -> tuple[Tensor, Tensor]:
    """Give all powers, and the combinations of the largest ones. Shapes `(... coil)` and `(... virtual coil)`."""
    powers, vectors = torch.linalg.eigh(covariance)
    return powers, vectors.flip(-1)[..., :n_virtual].mH.contiguous()


def _aligned(coils: Tensor, beside: Tensor) -> Tensor:
    """Turn virtual coils so that they are nearest to those beside them (orthogonal Procrustes)."""
    left, _, right = torch.linalg.svd(beside @ coils.mH)
    turned: Tensor = left @ right @ coils
    return turned
