"""The noise of an image by reconstructing it again with more noise (pseudo-replicas).

Robson 2008, doi:10.1002/mrm.21728. It holds for any method, at the cost of as many reconstructions; from n of them the
deviation is known to one part in ``sqrt(2 n)``.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

DEFAULT = 50
"""How many are made where noise is asked for, a method has no closed form, and the recipe names no number."""


def deviation_by_replicas(image: Tensor, again: Callable[[torch.Generator], Tensor], n: int) -> Tensor:
    """Measure the standard deviation of the noise along the phase of the image: that of its magnitude.

    Parameters
    ----------
    image
        As made from the samples alone; complex, or a magnitude.
    again
        Adds noise of the samples' own power to them, drawn from a generator, and reconstructs.
    n
        At least 2.

    Returns
    -------
        Real. The shape of the image.
    """
    size = image.abs()
    towards = torch.where(size > 0, image.conj() / size.clamp_min(torch.finfo(size.dtype).tiny), 1)
    random = torch.Generator(device=image.device).manual_seed(0)  # the same scan gives the same map twice
    mean, squares = torch.zeros_like(size), torch.zeros_like(size)
    for count in range(1, n + 1):
        change = ((again(random) - image) * towards).real
        away = change - mean
        mean = mean + away / count
        squares = squares + away * (change - mean)
    return (squares / (n - 1)).sqrt()


def white_noise(like: Tensor, power: float, random: torch.Generator) -> Tensor:
    """Draw complex noise of so much power."""
    noise = torch.randn(like.shape, dtype=like.dtype, device=like.device, generator=random)
    return noise.mul_(power**0.5)
