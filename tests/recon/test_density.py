from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gateway.recon.density import density_weights
from gateway.recon.nufft import Nufft
from tests.recon.laws import relative_error
from tests.recon.trajectories import radial, spiral

N = 48


def _bump() -> Tensor:
    """An image whose spectrum ends well inside k-space, away from the middle."""
    y, x = torch.meshgrid(torch.arange(N) - 20.0, torch.arange(N) - 28.0, indexing="ij")
    return torch.exp(-(y**2 + (1.5 * x) ** 2) / 40).to(torch.complex64)


def test_on_the_points_of_a_grid_all_weigh_the_same_and_nearly_one() -> None:
    line = torch.arange(N, dtype=torch.float64) - N // 2
    points = torch.stack([axis.flatten() for axis in torch.meshgrid(line, line, indexing="ij")], dim=1)
    weights = density_weights(points, (N, N))
    assert (weights - 1).abs().max() < 0.1
    assert weights.max() - weights.min() < 1e-4


def test_samples_of_spokes_weigh_as_their_sectors() -> None:
    """Two samples at radius k, one of them on the other end of the spoke, share a ring of area ``2 pi k dk``."""
    n_spokes = 80
    spokes = radial(N, n_spokes)
    weights = density_weights(spokes.reshape(-1, 2), (N, N)).reshape(n_spokes, -1)
    radius = spokes.norm(dim=-1)
    sectors = math.pi * radius * 0.5 / n_spokes
    within = (radius > 4) & (radius < N / 2 - 4)
    assert float((weights[within] / sectors[within] - 1).abs().max()) < 0.1


@pytest.mark.parametrize("points", [radial(N, 80), spiral(N, 16, 300)], ids=["radial", "spiral"])
def test_the_weighted_adjoint_returns_the_image(points: Tensor) -> None:
    points, image = points.reshape(-1, 2), _bump()
    transform = Nufft(points, (N, N))
    weighted = density_weights(points, (N, N)) * transform.apply(image)
    assert relative_error(transform.adjoint(weighted), image) < 0.02


def test_a_sample_measured_twice_weighs_half() -> None:
    points = spiral(N, 16, 300).reshape(-1, 2)
    once = density_weights(points, (N, N))
    twice = density_weights(torch.cat([points, points]), (N, N))
    assert torch.allclose(twice, torch.cat([once, once]) / 2, rtol=1e-3)
