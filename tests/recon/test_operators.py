from __future__ import annotations

import pytest
import torch

from gateway.recon.operators import (
    COIL,
    Operator,
    coil_summed,
    differences,
    fourier_along,
    fourier_filter,
    sampled,
    sensitivities,
)
from tests.recon.laws import is_adjoint, random_complex, relative_error

MASK = (torch.rand(1, 12, 15, generator=torch.Generator().manual_seed(3)) > 0.5).float()


@pytest.mark.parametrize("n_sets", [1, 2])
def test_sensitivities_have_their_adjoint(n_sets: int) -> None:
    maps = random_complex(n_sets, 3, 1, 12, 15, seed=7)
    is_adjoint(sensitivities(maps), image=(4, n_sets, 1, 12, 15), data=(4, 3, 1, 12, 15))


@pytest.mark.parametrize("axes", [(-1,), (-2, -1), (-3, -2, -1)])
def test_the_fourier_transform_has_its_adjoint_and_keeps_the_norm(axes: tuple[int, ...]) -> None:
    operator = fourier_along(axes)
    is_adjoint(operator, image=(2, 5, 12, 15), data=(2, 5, 12, 15))
    image = random_complex(2, 5, 12, 15)
    assert relative_error(operator.normal(image), image) < 1e-6


def test_sampling_is_its_own_adjoint() -> None:
    is_adjoint(sampled(MASK), image=(2, 1, 12, 15), data=(2, 1, 12, 15))


def test_differences_have_their_adjoint() -> None:
    is_adjoint(differences((-2, -1)), image=(3, 1, 6, 7), data=(2, 3, 1, 6, 7))


def test_differences_of_a_ramp_are_its_slope() -> None:
    ramp = torch.arange(8.0).expand(1, 1, 4, 8).to(torch.complex64)
    along_y, along_x = differences((-2, -1)).apply(ramp)
    assert (along_y == 0).all()
    assert (along_x[..., :-1] == 1).all()


def test_a_composition_has_its_adjoint() -> None:
    maps = random_complex(1, 3, 1, 12, 15, seed=7)
    whole: Operator = sampled(MASK) @ fourier_along((-2, -1)) @ sensitivities(maps)
    is_adjoint(whole, image=(2, 1, 1, 12, 15), data=(2, 3, 1, 12, 15))


@pytest.mark.parametrize(("n_sets", "axes"), [(1, (-1,)), (2, (-1,)), (1, (-2, -1)), (2, (-2, -1))])
def test_the_coil_summed_normal_operator_is_the_normal_operator(n_sets: int, axes: tuple[int, ...]) -> None:
    maps = random_complex(n_sets, 3, 1, 12, 15, seed=7)
    mask = MASK if len(axes) == 2 else MASK[:, :1]
    whole = sampled(mask) @ fourier_along(axes) @ sensitivities(maps)
    image = random_complex(4, n_sets, 1, 12, 15)
    assert (
        relative_error(coil_summed(maps.unbind(dim=COIL), fourier_filter(mask, axes))(image), whole.normal(image))
        < 1e-6
    )


def test_maps_may_differ_from_frame_to_frame() -> None:
    maps = random_complex(4, 1, 3, 1, 12, 15, seed=7)
    image = random_complex(4, 1, 1, 12, 15)
    normal = coil_summed(maps.unbind(dim=COIL), fourier_filter(MASK, (-2, -1)))(image)
    one = coil_summed(maps[2].unbind(dim=COIL), fourier_filter(MASK, (-2, -1)))(image[2:3])
    assert relative_error(normal[2:3], one) < 1e-6


def test_a_filter_that_keeps_all_changes_nothing() -> None:
    image = random_complex(2, 1, 12, 15)
    assert relative_error(fourier_filter(torch.ones(1, 12, 1), (-2,))(image), image) < 1e-6
