"""Sensitivities from images of low resolution: by the covariance of coils (Walsh), or in turns with an image (Inati).

They need no links over k-space, so any image will do, of a slice or of a slab, Cartesian or not.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gateway.recon.smooth import coarse, enlarged, in_phase, leading, low_resolution, normalised, strongest

WIDTH = 5
"""Of the window, in points of the coarse grid."""
STEPS = 5
"""Of Inati's iteration."""


def walsh(block: Tensor, shape: Sequence[int]) -> Tensor:
    """Estimate sensitivities by the covariance of coils in a window around each point of the grid.

    Walsh 2000, doi:10.1002/(SICI)1522-2594(200005)43:5<682::AID-MRM10>3.0.CO;2-G.

    Parameters
    ----------
    block
        Calibration k-space, without gaps. Shape `(coil ...)`.
    shape
        Of the image.

    Returns
    -------
        Maps of norm 1. Shape `(coil *shape)`.
    """
    images = low_resolution(block, coarse(shape))
    n_coils = images.shape[0]
    products = torch.einsum("a...,b...->ab...", images, images.conj()).flatten(0, 1)
    local = _smoothed(products).reshape(n_coils, n_coils, *images.shape[1:]).movedim((0, 1), (-2, -1))
    scale = local.diagonal(dim1=-2, dim2=-1).real.sum(dim=-1)[..., None, None].clamp_min(1e-30)
    vectors, _ = leading(local / scale, 1)
    maps = in_phase(vectors.movedim(-1, 1), reference=strongest(images))[0]
    return normalised(enlarged(maps, shape))


def inati(block: Tensor, shape: Sequence[int]) -> Tensor:
    """Estimate sensitivities and a smooth image in turn, so that phase does not jump (Inati 2014, ISMRM 22:4407).

    Parameters
    ----------
    block
        Calibration k-space, without gaps. Shape `(coil ...)`.
    shape
        Of the image.

    Returns
    -------
        Maps of norm 1. Shape `(coil *shape)`.
    """
    images = low_resolution(block, coarse(shape))
    maps = normalised(images.flatten(1).sum(dim=1).reshape(-1, *[1] * len(shape)).expand_as(images))
    for _ in range(STEPS):
        combined = (maps.conj() * images).sum(dim=0)
        maps = _smoothed(images * combined.conj())
        together = torch.tensordot(maps.flatten(1).sum(dim=1), maps.conj(), dims=1)
        maps = normalised(maps * torch.polar(torch.ones_like(together.real), together.angle()))
    return normalised(enlarged(maps, shape))


def _smoothed(images: Tensor) -> Tensor:
    """Average over a window. Shape `(n ...)`."""
    parts = torch.view_as_real(images).movedim(-1, 1)
    widths = [WIDTH if n > 1 else 1 for n in images.shape[1:]]
    pool = torch.nn.functional.avg_pool3d if len(widths) == 3 else torch.nn.functional.avg_pool2d  # noqa: PLR2004
    average = pool(parts, widths, stride=1, padding=[width // 2 for width in widths], count_include_pad=False)
    return torch.view_as_complex(average.movedim(1, -1).contiguous())
