"""The non-uniform transform: spirals of 60 x 1,182 samples, 8 coils, 260 x 260."""

from __future__ import annotations

import importlib
import importlib.util
import math
from collections.abc import Callable, Iterator
from typing import Any

import torch

from benchmarks.registry import Peers, benchmark
from gateway.recon.density import density_weights
from gateway.recon.nufft import Nufft, toeplitz

N, INTERLEAVES, SAMPLES, COILS = 260, 60, 1182, 8


def _points() -> torch.Tensor:
    radius = torch.arange(SAMPLES, dtype=torch.float64) / SAMPLES * N / 2
    angles = 2 * math.pi * (radius / INTERLEAVES + torch.arange(INTERLEAVES)[:, None] / INTERLEAVES)
    return torch.stack([radius * torch.sin(angles), radius * torch.cos(angles)], dim=-1).reshape(-1, 2)


def _images() -> torch.Tensor:
    return torch.randn(COILS, N, N, dtype=torch.complex64, generator=torch.Generator().manual_seed(1))


def _plan(points: torch.Tensor, kind: int, sign: int) -> Any:  # noqa: ANN401 - finufft has no types
    finufft: Any = importlib.import_module("finufft")
    plan = finufft.Plan(kind, (N, N), COILS, eps=1e-5, isign=sign, dtype="complex64", nthreads=torch.get_num_threads())
    turns = (2 * math.pi * points / N).float().numpy()
    plan.setpts(turns[:, 0].copy(), turns[:, 1].copy())
    return plan


@benchmark
def nufft_to_samples() -> Iterator[Peers]:
    """From images to samples, plans and kernels kept."""
    points, images = _points(), _images()
    ours = Nufft(points, (N, N))
    peers: dict[str, Callable[[], object]] = {"gateway": lambda: ours.apply(images)}
    if importlib.util.find_spec("finufft"):
        plan, values = _plan(points, 2, -1), images.numpy()
        torch.testing.assert_close(torch.from_numpy(plan.execute(values)) / N, ours.apply(images), rtol=1e-3, atol=1e-3)
        peers["finufft 1e-5"] = lambda: plan.execute(values)
    yield peers


@benchmark
def nufft_to_images() -> Iterator[Peers]:
    """From samples to images, plans and kernels kept."""
    points = _points()
    ours = Nufft(points, (N, N))
    samples = ours.apply(_images())
    peers: dict[str, Callable[[], object]] = {"gateway": lambda: ours.adjoint(samples)}
    if importlib.util.find_spec("finufft"):
        plan, values = _plan(points, 1, 1), samples.numpy()
        torch.testing.assert_close(
            torch.from_numpy(plan.execute(values)) / N, ours.adjoint(samples), rtol=1e-3, atol=1e-2
        )
        peers["finufft 1e-5"] = lambda: plan.execute(values)
    yield peers


@benchmark
def nufft_normal() -> Iterator[Peers]:
    """One step of an iteration: the convolution, and the two transforms that it stands for."""
    points, images = _points(), _images()
    weights = density_weights(points, (N, N))
    convolved, ours = toeplitz(points, weights, (N, N)), Nufft(points, (N, N))
    torch.testing.assert_close(convolved(images), ours.adjoint(weights * ours.apply(images)), rtol=1e-3, atol=1e-3)
    yield {
        "gateway": lambda: convolved(images),
        "gateway, two transforms": lambda: ours.adjoint(weights * ours.apply(images)),
    }
