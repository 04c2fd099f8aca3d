"""Conjugate gradients as one layer of a network: its gradient is another solution, whatever the number of steps.

Aggarwal 2019, doi:10.1109/TMI.2018.2865356.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from gateway.recon.networks.observed import Observed
from gateway.recon.solvers import Stop, conjugate_gradient, inner
from gateway.recon.threads import as_many_as_help

NEVER = 0.0


class Nearest:
    """Solve ``min |A x - data|^2 + weight |x - image|^2``, for one image after the other.

    Of the scan it takes all it needs once: what data say by themselves, and the normal operator.
    """

    def __init__(self, seen: Observed, n_steps: int) -> None:
        self.seen, self.stop = seen, Stop(steps=n_steps, tolerance=NEVER)
        with torch.no_grad():
            self.normal, self.told = seen.normal(), seen.transform.adjoint(seen.data)

    def __call__(self, image: Tensor, weight: Tensor) -> Tensor:
        """Solve.

        Parameters
        ----------
        image
            Complex. Shape `(batch *space)`.
        weight
            Positive. Shape `(batch 1 ...)`; or of each pixel, `(batch *space)`, where nothing is learned of it.
        """
        solved: Tensor = _Nearest.apply(image, weight, self.seen.data, self.seen.filled, self)  # type: ignore[no-untyped-call] # torch has no types here
        return solved

    def solved(self, right: Tensor, weight: Tensor, start: Tensor | None = None) -> Tensor:
        """Solve ``(A^H A + weight) x = right``."""
        with as_many_as_help(right):
            return conjugate_gradient(lambda image: self.normal(image) + weight * image, right, self.stop, start=start)


class _Nearest(torch.autograd.Function):
    """x = (T^H M T + w)^-1 (T^H y + w z), with M 1 for measured lines.

    So dx/dz = w (T^H M T + w)^-1 and dx/dw = (T^H M T + w)^-1 (z - x). Data and lines are asked where somebody disturbs
    the data, or chooses the lines; y is zero where nothing was measured.
    """

    @staticmethod
    def forward(ctx: Any, *given: Any) -> Tensor:  # noqa: ANN401 - torch's
        image, weight, _, _, problem = given
        found = problem.solved(problem.told + weight * image, weight, start=image)
        ctx.save_for_backward(image, weight, found)
        ctx.problem = problem
        return cast("Tensor", found)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401 - torch's
        image, weight, found = ctx.saved_tensors
        seen = ctx.problem.seen
        pulled = ctx.problem.solved(gradients[0], weight)
        data = lines = None
        if any(ctx.needs_input_grad[2:4]):
            data = seen.transform.apply(pulled)
            every = -(data.conj() * seen.transform.apply(found)).real.sum(dim=1)
            lines = every.sum_to_size(seen.filled.shape)
        return weight * pulled, inner(pulled, image - found), data, lines, None
