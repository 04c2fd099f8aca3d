from __future__ import annotations

import pytest
import torch

from gateway.recon.wavelet import Wavelet, shifting_shrinkage
from tests.recon.laws import random_complex, relative_error

SHAPES = [(64, 96), (1, 64, 32), (24, 32, 64), (50, 37), (8, 9), (320, 368), (46, 130)]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_inverse_is_exact(shape: tuple[int, ...]) -> None:
    images = random_complex(3, *shape)
    wavelet = Wavelet(shape)
    assert relative_error(wavelet.inverse(wavelet.transform(images)), images) < 2e-6


@pytest.mark.parametrize("shape", SHAPES)
def test_the_norm_is_kept(shape: tuple[int, ...]) -> None:
    images = random_complex(3, *shape)
    assert float(Wavelet(shape).transform(images).norm()) == pytest.approx(float(images.norm()), rel=1e-5)


def test_a_slope_has_no_details_away_from_the_edge() -> None:
    """Two vanishing moments annihilate polynomials of the first degree."""
    x = torch.linspace(-1, 1, 64)
    image = (1 + 3 * x)[None].expand(64, 64).to(torch.complex64)
    details = Wavelet((64, 64)).transform(image)[0][..., 1:61:2]
    assert details.abs().max() < 1e-4
    curved = (image.real**2).to(torch.complex64)
    assert Wavelet((64, 64)).transform(curved)[0][..., 1:61:2].abs().max() > 1e-4


def test_without_a_threshold_nothing_changes_and_with_a_large_one_no_detail_is_left() -> None:
    images, wavelet = random_complex(2, 64, 64), Wavelet((64, 64))
    assert relative_error(wavelet.shrink(images, 0.0), images) < 2e-6
    smooth = wavelet.transform(wavelet.shrink(images, 1e6))
    coarsest = smooth[..., :: 2**wavelet.levels, :: 2**wavelet.levels]
    assert coarsest.norm() > 0
    assert smooth.norm() == pytest.approx(float(coarsest.norm()), rel=1e-6)


def test_shrinking_is_the_proximal_map_of_the_details() -> None:
    """No other point has a lower sum of half the squared distance and the penalty."""
    wavelet, threshold = Wavelet((32, 32)), 0.5
    image = random_complex(1, 32, 32)
    step = 2**wavelet.levels

    def cost(candidate: torch.Tensor) -> float:
        size = torch.linalg.vector_norm(wavelet.transform(candidate), dim=0)
        size[..., ::step, ::step] = 0
        return float((candidate - image).abs().square().sum() / 2 + threshold * size.sum())

    best = wavelet.shrink(image, threshold)
    for seed in range(5):
        for size in (1e-2, 1e-1, 1.0):
            assert cost(best) <= cost(best + size * random_complex(1, 32, 32, seed=seed)) + 1e-3


def test_the_shifts_are_the_same_in_every_run() -> None:
    image, wavelet = random_complex(1, 64, 64), Wavelet((64, 64))
    one, other = shifting_shrinkage(wavelet, 0.5), shifting_shrinkage(wavelet, 0.5)
    steps = [one(image, 1.0) for _ in range(3)]
    assert not torch.equal(steps[0], steps[1])
    assert all(torch.equal(step, other(image, 1.0)) for step in steps)


def test_noise_is_removed_and_edges_stay() -> None:
    image = torch.zeros(1, 64, 64, dtype=torch.complex64)
    image[0, 16:48, 20:44] = 1
    noisy = image + 0.1 * random_complex(1, 64, 64)
    proximal = shifting_shrinkage(Wavelet((64, 64)), 0.2)
    cleaned = torch.stack([proximal(noisy, 1.0) for _ in range(8)]).mean(dim=0)
    assert relative_error(cleaned, image) < 0.6 * relative_error(noisy, image)
