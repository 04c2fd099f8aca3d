"""Coil sensitivities from the centre of a non-Cartesian scan itself."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gateway.recon.nufft import Nufft


def centre_images(transform: Nufft, points: Tensor, weighted: Tensor, *, diameter: float) -> Tensor:
    """Make coil images of the centre of k-space alone, tapered by a Hann window so that nothing rings.

    Parameters
    ----------
    points
        In cycles per field of view. Shape `(sample axis)`.
    weighted
        Samples times their density weights. Shape `(coil sample)`.
    diameter
        Of the centre, in cycles per field of view.

    Returns
    -------
        Complex. Shape `(coil *matrix)`.
    """
    radius = points.norm(dim=1)
    window = torch.where(radius < diameter / 2, torch.cos(math.pi * radius / diameter).square(), 0.0).float()
    inside = window > 0
    if not inside.any():
        return transform.adjoint(torch.zeros_like(weighted))
    return transform.adjoint(weighted * window)


def relative_maps(images: Tensor) -> Tensor:
    """Divide coil images by the root of the sum of their squares: sensitivities whose squares sum to one.

    Parameters
    ----------
    images
        Complex, of low resolution. Shape `(coil ...)`.
    """
    size: Tensor = torch.linalg.vector_norm(images, dim=0)
    return images / size.clamp_min(torch.finfo(size.dtype).tiny)
