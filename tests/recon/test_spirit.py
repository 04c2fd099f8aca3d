"""Neighbours in k-space: what is learned holds everywhere, and what is missing follows from it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gateway.model.errors import BadScan
from gateway.recon.fourier import fourier, inverse_fourier
from gateway.recon.parallel import line_power
from gateway.recon.solvers import Stop
from gateway.recon.spirit import AXES, at_positions, consistency, disagreement, learn, solve, solve_sparsely
from tests.recon.laws import random_complex, relative_error


def plane_waves(*shape: int) -> Tensor:
    """K-space of coils whose sensitivities are plane waves: each is the others', shifted. Shape `(coil *shape)`."""
    wide = random_complex(*(n + 4 for n in shape), seed=3)
    for axis, n in enumerate(wide.shape):  # zero around the edge, so that going around it finds no other
        place = torch.arange(n).reshape([-1 if each == axis else 1 for each in range(3)])
        wide = wide * ((place >= 4) & (place < n - 4)) if shape[axis] > 1 else wide
    shifts = [(0, 0, 0), (0, 1, 0), (0, 2, 0), (0, 1, 1), (1, 1, 0)]
    within = [shift for shift in shifts if shift[0] < shape[0]]
    return torch.stack([wide[z : z + shape[0], y : y + shape[1], x : x + shape[2]] for z, y, x in within])


def with_gaps(n_z: int, n_y: int) -> Tensor:
    """Leave two lines of five out, in every partition others. Shape `(1 z y)`."""
    line = torch.arange(n_y) + 2 * torch.arange(n_z)[:, None]
    return ((line % 5 != 1) & (line % 5 != 3))[None]


def test_what_is_left_of_a_scan_without_noise_is_nothing() -> None:
    kspace = plane_waves(1, 30, 32)
    matrix = disagreement(at_positions(learn(kspace, (5, 5, 5), regularisation=1e-6), 32), (1, 30))
    images = inverse_fourier(kspace, (-2, -1)).movedim(-1, -3)[None]
    left = torch.einsum("fcxzy,xzycd,fdxzy->", images.conj(), matrix, images).real
    assert left < 1e-3 * images.abs().square().sum()


def test_the_matrix_is_the_convolution_with_the_kernel() -> None:
    """By hand: multiply each neighbour by its weight, around the edge, and take the power of what is left."""
    block = random_complex(2, 1, 12, 16, seed=5)
    weights = learn(block, (3, 3, 3), regularisation=1e-2)
    image = random_complex(2, 1, 12, 16, seed=6)
    kspace = fourier(image, (-2, -1))
    left = torch.zeros_like(kspace)
    for y in range(3):
        for x in range(3):
            moved = kspace.roll((1 - y, 1 - x), (-2, -1))
            left += torch.einsum("ab,bzyx->azyx", weights[:, :, 0, y, x], moved)
    matrix = disagreement(at_positions(weights, 16), (1, 12))
    laid = image.movedim(-1, -3)
    power = torch.einsum("cxzy,xzycd,dxzy->", laid.conj(), matrix, laid).real
    torch.testing.assert_close(power, left.abs().square().sum(), rtol=1e-4, atol=0)
    torch.testing.assert_close(weights[:, :, 0, 1, 1].diagonal(), torch.ones(2, dtype=torch.complex64))


def test_the_weights_are_those_of_least_squares() -> None:
    block = random_complex(2, 1, 10, 12, seed=7)
    weights = learn(block, (1, 3, 1), regularisation=1e-6)
    patches = torch.stack([block[c, 0, y : y + 8] for c in range(2) for y in range(3)], dim=-1).reshape(-1, 6)
    for coil in range(2):
        centre = 3 * coil + 1
        others = [at for at in range(6) if at != centre]
        best = torch.linalg.lstsq(patches[:, others], patches[:, centre : centre + 1]).solution[:, 0]
        torch.testing.assert_close(weights[coil].flatten()[others], -best, atol=1e-3, rtol=1e-2)


@pytest.mark.parametrize("shape", [(1, 48, 24), (12, 24, 8)], ids=["2D", "3D"])
def test_lines_that_were_left_out_follow_from_the_others(shape: tuple[int, int, int]) -> None:
    kspace = plane_waves(*shape)
    filled = with_gaps(*shape[:2])
    hybrid = inverse_fourier(kspace, (-1,))[None]
    weights = at_positions(learn(kspace, (5, 5, 3), regularisation=1e-6), shape[2])
    measured = hybrid * filled[:, None, :, :, None]
    problem = consistency(measured, filled, line_power(measured[0])[None], weights)
    found = fourier(solve(problem, 0.0, Stop(steps=60)), AXES).movedim(-3, -1)
    there = filled[0, None, :, :, None].expand_as(hybrid[0])
    torch.testing.assert_close(found[0][there], hybrid[0][there], atol=1e-3, rtol=0)
    assert relative_error(found[0], hybrid[0]) < 0.1


def test_a_sparse_solution_without_a_penalty_is_the_plain_one() -> None:
    kspace = plane_waves(1, 40, 24)
    filled = with_gaps(1, 40)
    hybrid = inverse_fourier(kspace, (-1,))[None] * filled[:, None, :, :, None]
    weights = at_positions(learn(kspace, (1, 5, 3), regularisation=1e-4), 24)
    problem = consistency(hybrid, filled, line_power(hybrid[0])[None], weights)
    plain = solve(problem, 0.0, Stop(steps=60))
    assert relative_error(solve_sparsely(problem, 0.0, Stop(steps=60)), plain) < 0.05


def test_too_little_calibration_and_too_many_coils_are_refused() -> None:
    with pytest.raises(BadScan, match="calibration lines are too few"):
        learn(random_complex(2, 1, 4, 32), (5, 5, 5), regularisation=1e-3)
    with pytest.raises(BadScan, match="virtual_coils"):
        disagreement(random_complex(512, 64, 64, 1, 1), (64, 512))
