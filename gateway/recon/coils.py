"""Coil images to one image; the ways to combine them."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from gateway.recon.smooth import normalised


def root_sum_of_squares(coil_images: Iterable[Tensor]) -> Tensor:
    """Combine coil images by the root of the sum of their squares (Roemer 1990, doi:10.1002/mrm.1910160203).

    Parameters
    ----------
    coil_images
        Complex, of one coil after the other, so that they need not be in memory together. Shape `(frame z y x)`.

    Returns
    -------
        Real, not negative. Shape `(frame z y x)`.
    """
    images = iter(coil_images)
    power = torch.view_as_real(next(images)).square()
    for image in images:
        parts = torch.view_as_real(image)
        power.addcmul_(parts, parts)  # real and imaginary side by side, as they lie in memory: half the time
    return power.sum(dim=-1).sqrt_()


def combine(images: Iterable[Tensor], maps: Tensor | None) -> Tensor:
    """Combine coil images by sensitivities of norm 1; without any by the root of the sum of squares.

    Parameters
    ----------
    images
        Complex, of one coil after the other, so that they need not be in memory together.
    maps
        Shape `(coil ...)`.
    """
    if maps is None:
        return root_sum_of_squares(images)
    seen = zip(images, maps, strict=True)
    first, coil = next(seen)
    image: Tensor = coil.to(first.device).conj() * first
    for other, coil in seen:
        image.addcmul_(coil.to(first.device).conj(), other)
    return image


def combining(images: Tensor, maps: Tensor | None) -> Tensor:
    """Give the weights, of norm 1, by which coil images are combined; their conjugates are what coils are times.

    A root of the sum of squares weighs coils by what they show (Kellman 2005, doi:10.1002/mrm.20713).
    """
    return normalised(images) if maps is None else maps
