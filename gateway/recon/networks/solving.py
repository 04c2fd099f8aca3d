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
        Complex. Shape `(batch x y)`.
    weight
        Positive. Shape `(batch 1 1)`; or of each pixel, `(batch x y)`, where nothing is learned of it.
    """
    solved: Tensor = _Nearest.apply(image, weight, seen, n_steps)  # type: ignore[no-untyped-call] # torch has no types here
    return solved


class _Nearest(torch.autograd.Function):
    """x = (A^H A + w)^-1 (A^H y + w z), so dx/dz = w (A^H A + w)^-1 and dx/dw = (A^H A + w)^-1 (z - x)."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, weight: Tensor, seen: Observed, n_steps: int) -> Tensor:  # noqa: ANN401 - torch's
        right = seen.encoding.adjoint(seen.data) + weight * image
        found = _solved(seen, right, weight, n_steps, start=image)
        ctx.save_for_backward(image, weight, found)
        ctx.seen, ctx.n_steps = seen, n_steps
        return found

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:  # noqa: ANN401 - torch's
        image, weight, found = ctx.saved_tensors
        pulled = _solved(ctx.seen, gradients[0], weight, ctx.n_steps)
        return weight * pulled, inner(pulled, image - found), None, None


def _solved(seen: Observed, right: Tensor, weight: Tensor, n_steps: int, start: Tensor | None = None) -> Tensor:
    encoding = seen.encoding

    def normal(image: Tensor) -> Tensor:
        return encoding.normal(image) + weight * image

    return conjugate_gradient(normal, right, Stop(steps=n_steps, tolerance=NEVER), start=start)
