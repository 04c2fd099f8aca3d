"""The inverse problem of a Cartesian scan: normal operator, right side and noise, for solvers with any penalty.

Readouts are transformed once. What is left is one small problem for each position x, coupled by the penalty alone, and
only axes that can be undersampled are transformed in each step.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gateway.recon.coil_maps import joined_sets
from gateway.recon.finishing import PLAIN
from gateway.recon.fourier import fourier, inverse_fourier, resize
from gateway.recon.hybrid import to_matrix
from gateway.recon.operators import COIL, Map, coil_summed, fourier_filter
from gateway.recon.smooth import enlarged
from gateway.recon.space import Target

AXES = (-2, -1)
"""Partitions and lines: images are laid out `(frame set x z y)`, so that what is transformed lies together."""

NEGLIGIBLE = 1e-4
"""Share of the sensitivities' energy at a position x that may be left out of the normal operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Least squares ``|A image - samples|^2 / 2``, where ``A`` is sensitivities, Fourier transform and sampling.

    Parameters
    ----------
    normal
        ``A^H A``, of norm 1 at the most.
    rhs
        ``A^H samples``. Complex. Shape `(frame set x z y)`.
    """

    normal: Map
    rhs: Tensor


def cartesian_problem(hybrid: Tensor, filled: Tensor, maps: Tensor) -> Problem:
    """Pose the problem of some frames of one slice.

    Parameters
    ----------
    hybrid
        Readouts transformed, lines in k-space, zero where nothing was measured. Shape `(frame coil z y x)`.
    filled
        Which lines were. Shape `(frame z y)`.
    maps
        Sensitivities; the sum of squares over coils and sets is 1 at the most. Shape `(set coil z y x)`.
    """
    laid = maps.movedim(-1, -3).contiguous()
    weights = filled[:, None].to(hybrid.real.dtype)
    n_frames, n_sets, (n_x, n_z, n_y) = len(hybrid), len(maps), laid.shape[-3:]
    rhs = hybrid.new_zeros((n_frames, n_sets, n_x, n_z, n_y))
    for coil, seen in zip(hybrid.unbind(dim=1), laid.unbind(dim=COIL), strict=True):  # not all at once in memory
        image = inverse_fourier(coil.movedim(-1, -3) * weights, AXES)
        rhs.addcmul_(image.unsqueeze(1), seen.conj())
    return Problem(normal=normal_operator(laid, weights), rhs=rhs)


def normal_operator(maps: Tensor, weights: Tensor, negligible: float = NEGLIGIBLE) -> Map:
    """Build ``A^H A`` of as few coils as see all, at each position x (Zhang 2013, doi:10.1002/mrm.24267).

    It only knows sums over coils, which a unitary change of coils leaves alone; at one x, sensitivities along y and z
    are made of few shapes, so the last of the turned coils see nothing and are left out. Positions that need many of
    them go first, so that each coil is worked on as far as it is needed.

    Parameters
    ----------
    maps
        Shape `(set coil x z y)`.
    weights
        What was measured, everywhere or at each position. Shape `(frame 1 z y)` or `(frame x z y)`.
    negligible
        Share of the sensitivities' energy at a position x that may be left out.
    """
    turned, needed = turned_coils(maps, negligible)
    order = needed.argsort(descending=True, stable=True)
    back = order.argsort()
    counts = [int((needed > coil).sum()) for coil in range(int(needed.max()))]
    few = (turned[:, coil].index_select(-3, order[:n]) for coil, n in enumerate(counts))
    weights = weights if weights.shape[-3] == 1 else weights.index_select(-3, order)
    summed = coil_summed(few, fourier_filter(weights, AXES))
    return lambda images: summed(images.index_select(-3, order)).index_select(-3, back)


def turned_coils(maps: Tensor, negligible: float = NEGLIGIBLE) -> tuple[Tensor, Tensor]:
    """Turn coils at each position x so that the first see most, and count how many of them see all.

    Parameters
    ----------
    maps
        Shape `(set coil x z y)`.

    Returns
    -------
        Shapes `(set coil x z y)` and `(x,)`.
    """
    at_x = maps.permute(2, 1, 0, 3, 4).flatten(2)
    powers, vectors = torch.linalg.eigh(at_x @ at_x.mH)
    shares = powers.flip(-1).cumsum(dim=-1) / powers.sum(dim=-1, keepdim=True).clamp_min(1e-30)
    before = torch.nn.functional.pad(shares, (1, -1))
    needed = ((before < 1 - negligible) & (powers.flip(-1) > 0)).sum(dim=-1)
    turned: Tensor = vectors.flip(-1)[..., : max(1, int(needed.max()))].mH @ at_x
    n_sets, _, n_x, n_z, n_y = maps.shape
    return turned.reshape(n_x, -1, n_sets, n_z, n_y).permute(2, 1, 0, 3, 4), needed


def to_target(images: Tensor, maps: Tensor, target: Target) -> Tensor:
    """Bring solved images to the matrix that is wanted, and join their sets.

    Parameters
    ----------
    images
        Shape `(frame set x z y)`.
    maps
        By which they were solved. Shape `(set coil z y x)`.

    Returns
    -------
        Complex: the magnitude of what the coils show of all sets, in the phase of the larger. Shape `(frame z y x)`.
    """
    shown = resampled(maps, replace(target, finish=PLAIN)) if len(maps) > 1 else maps
    return joined_sets(resampled(images.movedim(-3, -1), target), shown)


def resampled(images: Tensor, target: Target) -> Tensor:
    """Bring images of the lines that were encoded to the matrix that is wanted. Shape `(... z y x)`."""
    same = images.shape[-3:-1] == target.grid.as_tuple()[:2] and target.grid == target.matrix
    return images if same and target.finish.idle else to_matrix(fourier(images, (-3, -2)), target)


def resampled_map(values: Tensor, target: Target) -> Tensor:
    """Bring a map of noise to the matrix: as many samples now make more pixels, or fewer. Shape `(... z y x)`."""
    for axis, grid, matrix in ((-3, target.grid.z, target.matrix.z), (-2, target.grid.y, target.matrix.y)):
        n = values.shape[axis]
        values = enlarged(
            values.to(torch.complex64), [grid if each == axis else values.shape[each] for each in (-3, -2, -1)]
        ).real
        values = resize(values.clamp_min(0) * min(1.0, n / grid) ** 0.5, axis, matrix)
    return values
