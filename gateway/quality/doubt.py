"""How uncertain half of the patient is, of an image whose method says how far off it may be."""

from __future__ import annotations

import numpy as np

from gateway.model.image import Pixels

OBJECT = 0.1
"""Pixels that are brighter than this share of the bright parts are of the patient."""
BRIGHT = 0.98


def doubt(image: Pixels, spread: Pixels) -> float:
    """Give the median of the spread over the brightness, in the patient; 0 where there is nothing. Shapes `(y x)`."""
    there = image > OBJECT * np.quantile(image, BRIGHT)
    return float(np.median(spread[there] / image[there])) if there.any() else 0.0
