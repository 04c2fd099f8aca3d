from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gateway.recon.fourier import fourier
from gateway.recon.nufft import Nufft, toeplitz
from tests.recon.laws import is_adjoint, random_complex, relative_error

MATRICES = [(33,), (24, 30), (21, 32), (7, 12, 10)]


def points_in(matrix: tuple[int, ...], n: int = 300) -> Tensor:
    """Draw points, the corners of k-space included."""
    random = torch.Generator().manual_seed(11)
    size = torch.tensor(matrix, dtype=torch.float64)
    drawn = (torch.rand((n, len(matrix)), dtype=torch.float64, generator=random) - 0.5) * size
    return torch.cat([drawn, -size[None] / 2, 0 * size[None]])


def direct_sum(points: Tensor, image: Tensor) -> Tensor:
    """Evaluate the definition, in double precision."""
    axes = [torch.arange(n, dtype=torch.float64) - n // 2 for n in image.shape]
    pixels = torch.stack([axis.flatten() for axis in torch.meshgrid(*axes, indexing="ij")])
    size = torch.tensor(image.shape, dtype=torch.float64)
    waves = torch.exp(-2j * math.pi * ((points / size) @ pixels))
    return waves @ image.flatten().to(torch.complex128) / math.sqrt(image.numel())


@pytest.mark.parametrize("matrix", MATRICES)
def test_it_is_the_direct_sum(matrix: tuple[int, ...]) -> None:
    image, points = random_complex(*matrix), points_in(matrix)
    assert relative_error(Nufft(points, matrix).apply(image), direct_sum(points, image)) < 1e-5


@pytest.mark.parametrize("matrix", MATRICES)
def test_it_has_its_adjoint(matrix: tuple[int, ...]) -> None:
    points = points_in(matrix)
    is_adjoint(Nufft(points, matrix).operator(), image=(2, *matrix), data=(2, len(points)), rel=1e-6)


def test_on_the_points_of_a_grid_it_is_the_fourier_transform() -> None:
    image = random_complex(2, 3, 12, 15)
    lines = [torch.arange(n, dtype=torch.float64) - n // 2 for n in (12, 15)]
    points = torch.stack([axis.flatten() for axis in torch.meshgrid(*lines, indexing="ij")], dim=1)
    # All points at once, and so few pixels that the edge counts most, where the kernel is at its worst.
    assert relative_error(Nufft(points, (12, 15)).apply(image), fourier(image, (-2, -1)).flatten(-2)) < 1.5e-5


def test_a_shifted_image_has_a_turned_phase() -> None:
    points = points_in((24, 30))
    image = torch.zeros(24, 30, dtype=torch.complex64)
    image[8:13, 9:20] = random_complex(5, 11)
    turned = torch.exp(-2j * math.pi * (3 * points[:, 0] / 24 - 4 * points[:, 1] / 30)) * direct_sum(points, image)
    assert relative_error(Nufft(points, (24, 30)).apply(image.roll((3, -4), (0, 1))), turned) < 1e-5


def test_large_batches_are_worked_on_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    points, images = points_in((12, 10)), random_complex(5, 12, 10)
    whole = Nufft(points, (12, 10)).apply(images)
    monkeypatch.setattr("gateway.recon.nufft.COLUMN_BYTES", 1)
    parts = Nufft(points, (12, 10)).apply(images)
    assert relative_error(parts, whole) < 1e-6


@pytest.mark.parametrize("matrix", MATRICES)
def test_the_toeplitz_operator_is_the_weighted_normal_operator(matrix: tuple[int, ...]) -> None:
    points = points_in(matrix)
    weights = torch.rand(len(points), generator=torch.Generator().manual_seed(4))
    images = random_complex(2, *matrix)
    transform = Nufft(points, matrix)
    expected = transform.adjoint(weights * transform.apply(images))
    assert relative_error(toeplitz(points, weights, matrix)(images), expected) < 1e-5


def test_a_finufft_of_the_same_points_agrees() -> None:
    finufft = pytest.importorskip("finufft")
    points, image = points_in((24, 30)), random_complex(24, 30)
    turns = (2 * math.pi * points / torch.tensor([24, 30])).numpy().T.copy()
    theirs = finufft.nufft2d2(turns[0], turns[1], image.numpy().astype("complex128"), eps=1e-12, isign=-1)
    ours = Nufft(points, (24, 30)).apply(image)
    assert relative_error(ours, torch.from_numpy(theirs) / math.sqrt(24 * 30)) < 1e-5
