"""Plain sanity: an image that is broken on its face goes nowhere, whatever made it."""

from __future__ import annotations

import numpy as np

from gateway.model.errors import ImageRefused
from gateway.model.image import MAY_BE_EVEN, ImageSeries


def check_images(images: ImageSeries) -> None:
    """Refuse images that are not finite, empty, or the same everywhere.

    Raises
    ------
    ImageRefused
        Naming the first image that fails.
    """
    if not images.frames:
        raise ImageRefused("the reconstruction made no images")
    for number, pixels in enumerate(images.pixels, 1):
        if not np.isfinite(pixels).all():
            raise ImageRefused(f"image {number} of {len(images.pixels)} has values that are not finite")
        if images.kind not in MAY_BE_EVEN and pixels.min() == pixels.max():
            raise ImageRefused(f"image {number} of {len(images.pixels)} is the same everywhere")
