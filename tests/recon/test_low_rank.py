from __future__ import annotations

import math

import pytest
import torch

from gateway.recon.low_rank import shrink_singular_values, shrink_spectrum, temporal_basis
from gateway.recon.methods.subspace import mixtures
from tests.recon.laws import is_adjoint, random_complex, relative_error


def test_singular_values_are_shrunk_and_vectors_stay() -> None:
    left, right = torch.linalg.qr(random_complex(6, 3))[0], torch.linalg.qr(random_complex(40, 3, seed=2))[0]
    values = torch.tensor([5.0, 2.0, 0.5]).to(torch.complex64)
    shrunk = torch.tensor([4.0, 1.0, 0.0]).to(torch.complex64)
    series = ((left * values) @ right.mH).reshape(6, 5, 8)
    assert relative_error(shrink_singular_values(series, 1.0), ((left * shrunk) @ right.mH).reshape(6, 5, 8)) < 1e-3


def test_a_still_series_has_one_frequency() -> None:
    """Its spectrum has a line of the height ``sqrt(n) * value`` at zero, from which the threshold is taken."""
    still = torch.full((16, 3), 2.0, dtype=torch.complex64)
    assert relative_error(shrink_spectrum(still, 0.8), still - 0.8 / math.sqrt(16)) < 1e-5


def test_without_a_threshold_nothing_changes() -> None:
    series = random_complex(8, 4, 5)
    assert relative_error(shrink_spectrum(series, 0.0), series) < 1e-5
    assert relative_error(shrink_singular_values(series, 0.0), series) < 1e-4


def test_the_basis_spans_what_the_frames_are_mixed_of() -> None:
    curves = random_complex(12, 2, seed=3)
    samples = (curves @ random_complex(2, 50, seed=4)).reshape(12, 5, 10)
    basis = temporal_basis(samples, 2)
    assert relative_error(basis.mH @ basis, torch.eye(2).to(torch.complex64)) < 1e-5
    assert relative_error(basis @ (basis.mH @ curves), curves) < 1e-4


@pytest.mark.parametrize("n_components", [1, 4])
def test_mixing_has_its_adjoint(n_components: int) -> None:
    basis = torch.linalg.qr(random_complex(9, n_components))[0]
    is_adjoint(mixtures(basis), image=(n_components, 1, 4, 1, 5), data=(9, 1, 4, 1, 5))
