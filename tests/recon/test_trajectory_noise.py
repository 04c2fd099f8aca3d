"""The noise along a trajectory is estimated from what no patient can have sent."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gateway.recon.trajectory_noise import faster_than_signal, trajectory_noise
from tests.recon.scattered import FEW_SPOKES, SPIRAL, SPOKES, scattered_head

TRAJECTORIES = {"radial": SPOKES, "few spokes": FEW_SPOKES, "spiral": SPIRAL}


def noise_like(samples: torch.Tensor, deviation: float) -> torch.Tensor:
    random = np.random.default_rng(1).standard_normal((*samples.shape, 2)) * deviation
    return torch.from_numpy(random.view(np.complex128)[..., 0]).to(samples.dtype)


def head(name: str) -> torch.Tensor:
    readouts, _ = scattered_head(TRAJECTORIES[name])
    first = readouts.samples[: len(TRAJECTORIES[name])]
    return torch.from_numpy(np.ascontiguousarray(first.transpose(1, 0, 2))).flatten(1)


@pytest.mark.parametrize("name", TRAJECTORIES)
@pytest.mark.parametrize("signal", [0.0, 1.0])
def test_noise_is_found_to_a_few_percent_with_a_patient_or_without(name: str, signal: float) -> None:
    samples, points = head(name), TRAJECTORIES[name].flatten(0, 1)
    deviation = float(samples.abs().max()) / 500
    found = trajectory_noise(signal * samples + noise_like(samples, deviation), points)
    assert found**0.5 == pytest.approx(2**0.5 * deviation, rel=0.05)


def test_nothing_of_a_patient_is_faster_than_signal() -> None:
    samples = head("spiral")
    found = faster_than_signal(samples, SPIRAL.flatten(0, 1))
    assert found.shape[1] > 1000
    assert float(found.abs().max()) < 1e-3 * float(samples.abs().max())


def test_readouts_that_are_too_sparse_to_tell_leave_the_outermost_samples() -> None:
    sparse = torch.stack([torch.arange(200.0), torch.zeros(200)], dim=1).double()
    samples = noise_like(torch.zeros(4, 200, dtype=torch.complex64), 1.0)
    assert faster_than_signal(samples, sparse).shape == (4, 0)
    assert trajectory_noise(samples, sparse) == pytest.approx(2.0, rel=0.4)
