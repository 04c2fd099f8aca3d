from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gateway.recon.operators import differences
from gateway.recon.solvers import Analysis, Stop, conjugate_gradient, fista, inner, primal_dual
from tests.recon.laws import random_complex, relative_error

MATRIX = random_complex(30, 12, seed=5)
EXACT = random_complex(3, 12, seed=6)


def normal(x: Tensor) -> Tensor:
    return x @ (MATRIX.mH @ MATRIX).T


RHS = normal(EXACT)
LARGEST = float(torch.linalg.matrix_norm(MATRIX, ord=2)) ** 2


def test_the_inner_product_is_of_each_problem() -> None:
    left, right = random_complex(3, 4, 5), random_complex(3, 4, 5, seed=9)
    expected = [torch.vdot(one.flatten(), other.flatten()).real for one, other in zip(left, right, strict=True)]
    assert inner(left, right).flatten().tolist() == pytest.approx([float(each) for each in expected], rel=1e-5)


def test_conjugate_gradients_are_exact_after_as_many_steps_as_unknowns() -> None:
    assert relative_error(conjugate_gradient(normal, RHS, Stop(steps=12)), EXACT) < 1e-4


def test_conjugate_gradients_stop_at_the_tolerance() -> None:
    calls = []

    def counted(x: Tensor) -> Tensor:
        calls.append(1)
        return normal(x)

    found = conjugate_gradient(counted, RHS, Stop(steps=100, tolerance=1e-3))
    assert len(calls) < 15
    assert relative_error(normal(found), RHS) < 1e-3


def test_conjugate_gradients_stay_at_the_solution() -> None:
    assert relative_error(conjugate_gradient(normal, RHS, Stop(steps=3, tolerance=1e-3), start=EXACT), EXACT) == 0


def test_conjugate_gradients_of_nothing_are_nothing() -> None:
    zero = torch.zeros_like(RHS)
    assert torch.equal(conjugate_gradient(normal, zero, Stop(steps=5)), zero)


def test_fista_without_a_penalty_solves_least_squares() -> None:
    found = fista(normal, RHS, lambda x, _: x, Stop(steps=400), lipschitz=LARGEST)
    assert relative_error(found, EXACT) < 1e-3


def test_fista_solves_what_shrinking_solves_in_closed_form() -> None:
    """With the identity as operator the lasso is one shrinkage (Donoho 1994)."""
    penalty = 0.7

    def shrink(x: Tensor, step: float) -> Tensor:
        return x * (1 - penalty * step / x.abs()).clamp_min(0)

    found = fista(lambda x: x, EXACT, shrink, Stop(steps=100), lipschitz=1.0)
    assert relative_error(found, EXACT * (1 - penalty / EXACT.abs()).clamp_min(0)) < 1e-5


def test_fista_fulfils_the_conditions_of_the_lasso() -> None:
    """Where x is not zero the gradient is ``-penalty x / |x|``; elsewhere it is not larger than the penalty."""
    penalty = 25.0

    def shrink(x: Tensor, step: float) -> Tensor:
        size = x.abs()
        return x * ((size - penalty * step).clamp_min(0) / size.clamp_min(1e-20))

    x = fista(normal, RHS, shrink, Stop(steps=3000), lipschitz=LARGEST)
    gradient = normal(x) - RHS
    on = x.abs() > 0
    assert on.any()
    assert not on.all()
    assert ((gradient + penalty * x / x.abs())[on]).abs().max() < 1e-2
    assert gradient[~on].abs().max() < penalty * 1.001


def _into_ball(force: Tensor) -> Tensor:
    return force / force.abs().clamp_min(1)


def test_the_primal_dual_method_solves_a_step_with_total_variation() -> None:
    """A periodic step of height 4 over two halves of n samples each loses ``2 / n`` on each side."""
    n = 8
    signal = torch.cat([torch.zeros(n), 4 * torch.ones(n)]).to(torch.complex64)[None]
    variation = Analysis(operator=differences((-1,)), norm_squared=4, project=_into_ball)
    found = primal_dual(lambda x: x, signal, variation, Stop(steps=2000), lipschitz=1.0)
    loss = 2 / n
    expected = torch.cat([torch.full((n,), loss), torch.full((n,), 4 - loss)]).to(torch.complex64)[None]
    assert relative_error(found, expected) < 1e-4
