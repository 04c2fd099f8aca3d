"""What small filters see of an image: a distance between images that is not pixel by pixel (Johnson 2016).

arXiv:1603.08155. The filters are drawn once from a fixed seed and never trained: nothing is downloaded, and drawn
filters serve as trained ones do (Amir 2021, doi:10.1109/CVPR46437.2021.01205).
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

SEED = 2021
WIDTHS = (1, 16, 32, 64)
"""Channels of the image and of each level; each level sees twice as far as that before."""
_TINY = 1e-12


def features(images: Tensor) -> list[Tensor]:
    """Filter magnitudes `(batch x y)` at each level. Shapes `(batch channel x y)`, x and y halved at each."""
    found, seen = [], images[:, None]
    for filters in _filters(images.device, images.dtype):
        seen = functional.relu(functional.conv2d(seen, filters, padding=1))
        found.append(seen)
        seen = functional.avg_pool2d(seen, 2, ceil_mode=True)
    return found


def distance(made: Tensor, truth: Tensor) -> Tensor:
    """Compare what filters see of two images, relative to what they see of the truth. Shape `(batch x y)`."""
    pairs = zip(features(made), features(truth), strict=True)
    levels = [(one - true).abs().sum() / (true.abs().sum() + _TINY) for one, true in pairs]
    return torch.stack(levels).mean()


@lru_cache(maxsize=4)
def _filters(device: torch.device, dtype: torch.dtype) -> tuple[Tensor, ...]:
    """Draw filters that are orthogonal to each other. Shape `(out in 3 3)` each."""
    random = torch.Generator().manual_seed(SEED)
    return tuple(_orthogonal(n_out, n_in, random).to(device, dtype) for n_in, n_out in pairwise(WIDTHS))


def _orthogonal(n_out: int, n_in: int, random: torch.Generator) -> Tensor:
    drawn = torch.randn(max(n_out, 9 * n_in), min(n_out, 9 * n_in), generator=random)
    columns, _ = torch.linalg.qr(drawn)
    filters = columns if n_out > 9 * n_in else columns.T
    scaled: Tensor = filters[:n_out].reshape(n_out, n_in, 3, 3) * math.sqrt(2)
    return scaled
