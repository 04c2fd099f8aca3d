from __future__ import annotations

import pytest
import torch

from gateway.recon.cartesian_problem import cartesian_problem, normal_operator, turned_coils
from gateway.recon.operators import COIL, Operator, coil_summed, fourier_along, fourier_filter, sampled, sensitivities
from gateway.recon.solvers import Stop, conjugate_gradient
from tests.recon.laws import largest_eigenvalue, random_complex, relative_error


def smooth_maps(n_sets: int, shape: tuple[int, int, int]) -> torch.Tensor:
    """Six coils around an image, as sums of few waves, with a sum of squares of one. Shape `(set coil z y x)`."""
    axes = torch.meshgrid(*(torch.linspace(-1, 1, n) for n in shape), indexing="ij")
    turns = random_complex(n_sets, 6, 3, seed=8).real
    phase = torch.stack([turns[:, :, axis, None, None, None] * axes[axis] for axis in range(3)]).sum(dim=0)
    maps = torch.polar(1.2 + torch.cos(2 * phase), phase)
    return maps / maps.abs().square().sum(dim=(0, 1)).sqrt()


@pytest.mark.parametrize(("n_sets", "shape"), [(1, (1, 16, 12)), (2, (1, 15, 12)), (1, (8, 10, 12))])
def test_the_problem_is_that_of_its_operators(n_sets: int, shape: tuple[int, int, int]) -> None:
    maps = smooth_maps(n_sets, shape)
    filled = torch.rand(3, *shape[:2], generator=torch.Generator().manual_seed(1)) > 0.4
    image = random_complex(3, n_sets, *shape)
    whole: Operator = sampled(filled[:, None, :, :, None].float()) @ fourier_along((-3, -2)) @ sensitivities(maps)
    problem = cartesian_problem(whole.apply(image), filled, maps)
    expected = whole.normal(image).movedim(-1, -3)
    assert relative_error(problem.rhs, expected) < 1e-5
    assert relative_error(problem.normal(image.movedim(-1, -3)), expected) < 2e-2  # coils that see nothing are left out


def test_its_norm_is_one_at_the_most() -> None:
    maps = smooth_maps(1, (1, 16, 12))
    filled = torch.arange(16)[None, None] % 2 == 0
    problem = cartesian_problem(torch.zeros(1, 6, 1, 16, 12, dtype=torch.complex64), filled, maps)
    assert largest_eigenvalue(problem.normal, 1, 1, 12, 1, 16, steps=100) < 1.01


def test_a_noiseless_image_is_found_from_every_second_line() -> None:
    maps = smooth_maps(1, (1, 16, 12))
    filled = torch.arange(16)[None, None] % 2 == 0
    image = random_complex(1, 1, 1, 16, 12)
    data = (sampled(filled[:, None, :, :, None].float()) @ fourier_along((-3, -2)) @ sensitivities(maps)).apply(image)
    problem = cartesian_problem(data, filled, maps)
    found = conjugate_gradient(problem.normal, problem.rhs, Stop(steps=300, tolerance=1e-5))
    assert relative_error(found, image.movedim(-1, -3)) < 5e-2


def test_turned_coils_are_fewer_and_see_the_same() -> None:
    waves = smooth_maps(1, (1, 32, 24)).movedim(-1, -3)
    mixed = torch.einsum("dc,scxzy->sdxzy", random_complex(20, 6, seed=5) / 20**0.5, waves)
    mixed[:, :, 3] = random_complex(1, 20, 1, 32, seed=9) / 20**0.5  # a position with no such order needs them all
    mixed[:, :, 5] = 0
    turned, needed = turned_coils(mixed)
    assert turned.shape[1] == needed[3] == 20
    assert needed[5] == 0
    assert int((needed > 6).sum()) == 1
    weights = (torch.arange(32)[None, None, None] % 2 == 0).float()
    every = coil_summed(mixed.unbind(dim=COIL), fourier_filter(weights, (-2, -1)))
    image = random_complex(2, 1, 24, 1, 32)
    assert relative_error(normal_operator(mixed, weights)(image), every(image)) < 1e-2
