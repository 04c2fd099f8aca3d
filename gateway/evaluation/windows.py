"""Moving windows over images, as metrics of image quality use them."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Image: TypeAlias = npt.NDArray[np.float64]
"""Shape `(y x)`."""


def gaussian(n: int, sigma: float) -> Image:
    """Weigh n points around the middle; the sum is 1. Shape `(n,)`."""
    at = np.arange(n) - (n - 1) / 2
    weights = np.exp(-(at**2) / (2 * sigma**2))
    return np.asarray(weights / weights.sum())


def uniform(n: int) -> Image:
    """Weigh n points alike. Shape `(n,)`."""
    return np.full(n, 1 / n)


def averaged(image: Image, weights: Image) -> Image:
    """Average over the window around each pixel, where it lies within the image. Shape `(y - n + 1, x - n + 1)`."""
    n = len(weights)
    columns = sum(weight * image[:, k : image.shape[1] - n + 1 + k] for k, weight in enumerate(weights))
    return np.asarray(sum(weight * columns[k : image.shape[0] - n + 1 + k] for k, weight in enumerate(weights)))


def convolved(image: Image, kernel: Image) -> Image:
    """Convolve with a small kernel of odd size; beyond its edge the image is zero. Shape `(y x)`."""
    n_y, n_x = kernel.shape
    padded = np.pad(image, ((n_y // 2, n_y // 2), (n_x // 2, n_x // 2)))
    views = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape)
    return np.asarray(np.einsum("yxij,ij->yx", views, kernel[::-1, ::-1]))
