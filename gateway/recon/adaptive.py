"""Sensitivities from images of low resolution: by the covariance of coils (Walsh), or in turns with an image (Inati).

They need no links over k-space, so any image will do, of a slice or of a slab, Cartesian or not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gateway.recon.smooth import coarse, enlarged, in_phase, leading, low_resolution, normalised, reference_coil

WIDTH = 5
"""Of the window, in points of the coarse grid."""
STEPS = 5
"""Of Inati's iteration."""


def adaptive(block: Tensor, shape: Sequence[int], estimate: Callable[[Tensor], Tensor]) -> Tensor:
    """Estimate sensitivities from a coarse image, and bring them to that of a shape.

    Parameters
    ----------
    block
        Calibration k-space, without gaps. Shape `(coil ...)`.
    shape
        Of the image.
    estimate
        `walsh` or `inati`.

    Returns
    -------
        Maps of norm 1. Shape `(coil *shape)`.
    """
    return normalised(enlarged(estimate(low_resolution(block, coarse(shape))), shape))


def walsh(images: Tensor) -> Tensor:
    """Find the strongest eigenvector of the covariance of coils in a window around each point. Shape `(coil ...)`.

    Walsh 2000, doi:10.1002/(SICI)1522-2594(200005)43:5<682::AID-MRM10>3.0.CO;2-G.
    """
    n_coils = images.shape[0]
    products = torch.einsum("a...,b...->ab...", images, images.conj()).flatten(0, 1)
    local = _smoothed(products).reshape(n_coils, n_coils, *images.shape[1:]).movedim((0, 1), (-2, -1))
    scale = local.diagonal(dim1=-2, dim2=-1).real.sum(dim=-1)[..., None, None].clamp_min(1e-30)
    vectors, _ = leading(local / scale, 1)
    return in_phase(vectors.movedim(-1, 1), reference=reference_coil(images))[0]


def inati(images: Tensor) -> Tensor:
    """Find maps and a smooth image in turn, so that phase does not jump. Shape `(coil ...)`.

    Inati 2014, ISMRM 22:4407; their phase is that of a coil without zeros, though, and not of the sum of maps.
    """
    reference = reference_coil(images)
    maps = normalised(reference.reshape(-1, *[1] * (images.ndim - 1)).expand_as(images))
    for _ in range(STEPS):
        combined = (maps.conj() * images).sum(dim=0)
        maps = normalised(in_phase(_smoothed(images * combined.conj())[None], reference=reference)[0])
    return maps


def _smoothed(images: Tensor) -> Tensor:
    """Average over a window. Shape `(n ...)`."""
    parts = torch.view_as_real(images).movedim(-1, 1)
    widths = [min(WIDTH, n - 1 + n % 2) for n in images.shape[1:]]  # a thin slab has fewer points than a window
    pool = torch.nn.functional.avg_pool3d if len(widths) == 3 else torch.nn.functional.avg_pool2d  # noqa: PLR2004
    average = pool(parts, widths, stride=1, padding=[width // 2 for width in widths], count_include_pad=False)
    return torch.view_as_complex(average.movedim(1, -1).contiguous())
