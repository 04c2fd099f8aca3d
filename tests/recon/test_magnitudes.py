"""Powers, norms and quantiles are those that torch has, only sooner."""

from __future__ import annotations

import pytest
import torch

from gateway.recon.checks.view import quantile
from gateway.recon.magnitudes import norm, power


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.complex64, generator=torch.Generator().manual_seed(4))


@pytest.mark.parametrize("axes", [0, (0, 2), (-1,)])
def test_norms_of_complex_numbers_are_those_of_their_definition(axes: int | tuple[int, ...]) -> None:
    values = drawn(3, 5, 7)
    torch.testing.assert_close(norm(values, axes), torch.linalg.vector_norm(values, dim=axes))
    torch.testing.assert_close(norm(values.real, axes), torch.linalg.vector_norm(values.real, dim=axes))


def test_powers_have_a_slope_where_a_number_is_zero() -> None:
    values = torch.zeros(3, dtype=torch.complex64, requires_grad=True)
    (slope,) = torch.autograd.grad(power(values).sum(), values)
    assert not bool(slope.isnan().any())


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99, 0.999, 1.0])
@pytest.mark.parametrize("n", [1, 2, 1000, 4097])
def test_a_quantile_without_sorting_is_the_one_with(n: int, share: float) -> None:
    values = drawn(n).real.contiguous()
    torch.testing.assert_close(quantile(values, share), torch.quantile(values.double(), share).float())
