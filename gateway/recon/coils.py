"""Combine the images of many coils into one."""

from __future__ import annotations

import torch
from torch import Tensor


def root_sum_of_squares(images: Tensor) -> Tensor:
    """Combine coil images without knowing their sensitivities (Roemer 1990, doi:10.1002/mrm.1910160203).

    Parameters
    ----------
    images
        Complex. Shape `(... coil z y x)`.

    Returns
    -------
        Real, not negative. Shape `(... z y x)`.
    """
    return torch.linalg.vector_norm(images, dim=-4)
