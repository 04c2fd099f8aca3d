"""Conjugate gradients as one layer of a network: its gradient is another solution, whatever the number of steps.

Aggarwal 2019, doi:10.1109/TMI.2018.2865356.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gateway.recon.networks.observed import Observed
from gateway.recon.solvers import Stop, conjugate_gradient, inner

NEVER = 0.0


def nearest(seen: Observed, image: Tensor, weight: Tensor, n_steps: int) -> Tensor:
    """Solve ``min |A x - data|^2 + weight |x - image|^2``.

    Parameters
    ----------
    image
        Complex. Shape `(batch *space)`.
    weight
        Positive. Shape `(batch 1 ...)`; or of each pixel, `(batch *space)`, where nothing is learned of it.
    """
    solved: Tensor = _Nearest.apply(image, weight, seen.data, seen.filled, seen, n_steps)  # type: ignore[no-untyped-call] # torch has no types here
    return solved


class _Nearest(torch.autograd.Function):
    """x = (T^H M T + w)^-1 (T^H y + w z), with M 1 for measured lines.

    So dx/dz = w (T^H M T + w)^-1 and dx/dw = (T^H M T + w)^-1 (z - x). Data and lines are asked where somebody disturbs
    the data, or chooses the lines; y is zero where nothing was measured.
    """

    @staticmethod
    def forward(ctx: Any, *given: Any) -> Tensor:  # noqa: ANN401 - torch's
        image, weight, _, _, seen, n_steps = given
        right = seen.transform.adjoint(seen.data) + weight * image
        found = _solved(seen, right, weight, n_steps, start=image)
        ctx.save_for_backward(image, weight, found)
        ctx.seen, ctx.n_steps = seen, n_steps
        return found

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401 - torch's
        image, weight, found = ctx.saved_tensors
        pulled = _solved(ctx.seen, gradients[0], weight, ctx.n_steps)
        data = lines = None
        if any(ctx.needs_input_grad[2:4]):
            data = ctx.seen.transform.apply(pulled)
            every = -(data.conj() * ctx.seen.transform.apply(found)).real.sum(dim=1)
            lines = every.sum_to_size(ctx.seen.filled.shape)
        return weight * pulled, inner(pulled, image - found), data, lines, None, None


def _solved(seen: Observed, right: Tensor, weight: Tensor, n_steps: int, start: Tensor | None = None) -> Tensor:
    encoding = seen.encoding

    def normal(image: Tensor) -> Tensor:
        return encoding.normal(image) + weight * image

    return conjugate_gradient(normal, right, Stop(steps=n_steps, tolerance=NEVER), start=start)
