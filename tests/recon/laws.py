"""Laws that every operator obeys, and numbers to try them with."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from gateway.recon.operators import Map, Operator


def random_complex(*shape: int, seed: int = 0, dtype: torch.dtype = torch.complex64) -> Tensor:
    """Draw complex numbers, the same in every run."""
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def is_adjoint(operator: Operator, *, image: Sequence[int], data: Sequence[int], rel: float = 1e-5) -> None:
    """Hold ``<A u, v> = <u, A^H v>``."""
    u, v = random_complex(*image, seed=1), random_complex(*data, seed=2)
    mapped, returned = operator.apply(u), operator.adjoint(v)
    assert (mapped.shape, returned.shape) == (v.shape, u.shape)
    left, right = torch.vdot(v.flatten(), mapped.flatten()), torch.vdot(returned.flatten(), u.flatten())
    size = float(mapped.norm() * v.norm())
    assert abs(complex(left) - complex(right)) == pytest.approx(0, abs=rel * size)


def relative_error(found: Tensor, truth: Tensor) -> float:
    """Take the norm of the difference over the norm of the truth."""
    return float((found - truth).norm() / truth.norm())


def largest_eigenvalue(normal: Map, *shape: int, steps: int) -> float:
    """Find the largest eigenvalue of a Hermitian, positive operator by power iteration: from below."""
    vector = random_complex(*shape)
    for _ in range(steps):
        vector = normal(vector / vector.norm())
    return float(vector.norm())
