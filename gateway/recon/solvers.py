"""Iterative solvers for ``min |A x - y|^2 / 2 + penalty(x)``; they know ``A^H A`` and ``A^H y``, nothing of what A is.

The first axis of every unknown is a batch of problems that share the operator and are solved side by side; conjugate
gradients take other axes as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gateway.recon.operators import Map, Operator

Proximal = Callable[[Tensor, float], Tensor]
"""From a point and a step to ``argmin_x |x - point|^2 / 2 + step * penalty(x)``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """When a solver has done enough.

    Parameters
    ----------
    steps
        At the most.
    tolerance
        Relative: of the residual (conjugate gradients), else of the change in one step.
    """

    steps: int
    tolerance: float = 0.0


def inner(left: Tensor, right: Tensor, apart: Sequence[int] = (0,)) -> Tensor:
    """Take the real part of the scalar product of each problem. The shape of both, 1 along all axes but those apart."""
    products = torch.view_as_real(left.resolve_conj()) * torch.view_as_real(right.resolve_conj())
    separate = {axis % left.ndim for axis in apart}
    together = [axis for axis in range(left.ndim) if axis not in separate]
    return products.sum(dim=[*together, -1], keepdim=True)[..., 0]


def conjugate_gradient(
    normal: Map, rhs: Tensor, stop: Stop, *, start: Tensor | None = None, apart: Sequence[int] = (0,)
) -> Tensor:
    """Solve ``normal(x) = rhs`` for a Hermitian, positive operator (Hestenes 1952, doi:10.6028/jres.049.044).

    Parameters
    ----------
    apart
        Axes along which problems do not need each other: each has steps of its own and stops by itself, so that it is
        solved alike whichever others are beside it.
    """
    x = torch.zeros_like(rhs) if start is None else start
    residual = rhs if start is None else rhs - normal(start)
    direction, power = residual, inner(residual, residual, apart)
    enough = stop.tolerance**2 * inner(rhs, rhs, apart)
    tiny = torch.finfo(power.dtype).tiny
    for _ in range(stop.steps):
        going = power > enough
        if not bool(going.any()):
            break
        image = normal(direction)
        curvature = inner(direction, image, apart)  # rounding leaves none where everything is found
        length = torch.where(going & (curvature > tiny), power / curvature.clamp_min(tiny), 0).to(x.dtype)
        x = torch.addcmul(x, direction, length)  # one pass over memory, where a product and a sum are two
        residual = torch.addcmul(residual, image, length, value=-1)
        before, power = power, inner(residual, residual, apart)
        direction = torch.addcmul(residual, direction, (power / before.clamp_min(tiny)).to(x.dtype))
    return x


def fista(  # noqa: PLR0913 - a problem, its bound, and where and when to begin and end
    normal: Map, rhs: Tensor, proximal: Proximal, stop: Stop, *, lipschitz: float, start: Tensor | None = None
) -> Tensor:
    """Descend with momentum, which starts anew whenever it leads uphill.

    Beck 2009, doi:10.1137/080716542; O'Donoghue 2015, doi:10.1007/s10208-013-9150-3.

    Parameters
    ----------
    lipschitz
        Not less than the largest eigenvalue of ``normal``.
    """
    step = 1 / lipschitz
    forward = rhs * step
    x = point = proximal(forward, step) if start is None else start
    momentum = 1.0
    for _ in range(stop.steps - 1):
        before, x = x, proximal(torch.sub(point, normal(point), alpha=step).add_(forward), step)
        change = x - before
        if _small(change, x, stop.tolerance):
            break
        if _dot(point - x, change) > 0:
            momentum = 1.0
        following = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
        point = torch.add(x, change, alpha=(momentum - 1) / following)
        momentum = following
    return x


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """A penalty on ``operator(x)``, by the projection that is its dual.

    Parameters
    ----------
    operator
        Whose values are penalised.
    norm_squared
        Not less than the largest eigenvalue of its normal operator.
    project
        The proximal map of the penalty's conjugate: onto the dual ball.
    """

    operator: Operator
    norm_squared: float
    project: Map


def primal_dual(normal: Map, rhs: Tensor, penalty: Analysis, stop: Stop, *, lipschitz: float) -> Tensor:
    """Solve with a penalty that has no simple proximal map itself.

    Condat 2013, doi:10.1007/s10957-012-0245-9; Vu 2013, doi:10.1007/s10444-011-9254-8. Its steps obey
    ``1 / primal - dual * norm_squared >= lipschitz / 2``.
    """
    primal = 1 / lipschitz
    dual = lipschitz / (2 * penalty.norm_squared)
    x = rhs * primal
    force = dual * penalty.operator.apply(torch.zeros_like(x))
    for _ in range(stop.steps):
        change = torch.sub(normal(x), rhs).add_(penalty.operator.adjoint(force)).mul_(-primal)
        x = x + change
        force = penalty.project(torch.add(force, penalty.operator.apply(x + change), alpha=dual))
        if _small(change, x, stop.tolerance):
            break
    return x


def _dot(left: Tensor, right: Tensor) -> float:
    """Take the real part of the scalar product of all problems together, in one pass over memory."""
    real, other = (torch.view_as_real(each.resolve_conj()).flatten() for each in (left, right))
    return float(torch.dot(real, other).detach())


def _small(change: Tensor, x: Tensor, tolerance: float) -> bool:
    return tolerance > 0 and bool((inner(change, change) <= tolerance**2 * inner(x, x)).all())
