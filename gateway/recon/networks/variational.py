"""The variational network: gradient steps whose filters and activations are learned (Hammernik 2018).

doi:10.1002/mrm.26977. The regulariser is a field of experts: ``sum_i rho_i(k_i * image)``; learned are the filters and
the derivatives of the potentials, as sums of Gaussians.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from gateway.model.networks import VariationalNetwork as Sizes
from gateway.recon.networks.observed import Observed
from gateway.recon.networks.residual import to_channels, to_complex

REACH = 1.5
"""Responses of filters up to this size have Gaussians of their own."""
FIRST_STEP, FIRST_SLOPE = 1.0, 0.02
"""Weight of the data, and of the regulariser, before training."""


class VariationalNetwork(nn.Module):
    """Stages of one gradient step each."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.stages = nn.ModuleList(Stage(sizes) for _ in range(sizes.n_stages))

    def forward(self, seen: Observed) -> Tensor:
        """Reconstruct. Complex. Shape `(batch x y)`."""
        image = seen.start
        for stage in self.stages:
            image = stage(image, seen)
        return image


class Stage(nn.Module):
    """``x - K^T phi(K x) - step A^H (A x - y)``."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        size = sizes.filter_size | 1
        self.filters = nn.Parameter(torch.randn(sizes.n_filters, 2, size, size) / size)
        centres = torch.linspace(-REACH, REACH, sizes.n_weights)
        self.weights = nn.Parameter(FIRST_SLOPE * centres.repeat(sizes.n_filters, 1))
        self.register_buffer("centres", centres, persistent=False)
        self.log_step = nn.Parameter(torch.tensor(math.log(FIRST_STEP)))

    def forward(self, image: Tensor, seen: Observed) -> Tensor:
        """Take the step. Shape `(batch x y)`."""
        kernels = _normal(self.filters)
        responses = functional.conv2d(to_channels(image), kernels, padding="same")
        forces = functional.conv_transpose2d(self._activate(responses), kernels, padding=kernels.shape[-1] // 2)
        residual = seen.encoding.adjoint(seen.encoding.apply(image) - seen.data)
        return image - to_complex(forces) - self.log_step.exp() * residual

    def _activate(self, responses: Tensor) -> Tensor:
        """Sum Gaussians, one after the other so that memory does not grow with them. Shape `(batch filter x y)`."""
        centres: Tensor = self.get_buffer("centres")
        width = float(centres[1] - centres[0]) if not centres.is_meta else 1.0
        total = torch.zeros_like(responses)
        for centre, weight in zip(centres, self.weights.unbind(dim=1), strict=True):
            bell = torch.exp(-((responses - centre) / width).square() / 2)
            total = total + weight[:, None, None] * bell
        return total


def _normal(filters: Tensor) -> Tensor:
    """Give filters mean 0 and norm 1, as the paper constrains them."""
    centred = filters - filters.mean(dim=(2, 3), keepdim=True)
    size: Tensor = torch.linalg.vector_norm(centred, dim=(1, 2, 3), keepdim=True)
    return centred / size.clamp_min(1e-12)
