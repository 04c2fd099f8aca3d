"""How large complex numbers are: their power and their norm, several times as fast as torch has them for these.

`abs` guards against overflow by a hypotenuse, and `vector_norm` takes the root of each number before it squares it
again; here numbers are brightness in units near 1.
"""

from __future__ import annotations

import torch
from torch import Tensor


def power(values: Tensor) -> Tensor:
    """Square the magnitude of each number. Real; of the same shape."""
    if not values.is_complex():
        return values.square()
    return torch.addcmul(values.real.square(), values.imag, values.imag)


def norm(values: Tensor, axes: int | tuple[int, ...], *, keepdim: bool = False) -> Tensor:
    """Take the root of the sum of powers over some axes. Real."""
    summed: Tensor = power(values).sum(dim=axes, keepdim=keepdim)
    return summed.sqrt()
