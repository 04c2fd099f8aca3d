"""Sensitivities against the formula they were made from; kernels, lattices and unfolding against what must hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from gateway.model.recipes import GrappaRecipe
from gateway.model.zyx import Zyx
from gateway.mrd.files import read_scan
from gateway.mrd.header import parse_header
from gateway.recon import grappa
from gateway.recon.adaptive import adaptive, inati, walsh
from gateway.recon.cartesian_problem import cartesian_problem
from gateway.recon.compression import by_svd
from gateway.recon.engine import reconstruct
from gateway.recon.fourier import fourier, inverse_fourier, resize
from gateway.recon.lattice import Lattice
from gateway.recon.phantom import PhantomScan, anatomy_at, sensitivities_at, slice_kspace
from gateway.recon.sense import Unfolding, solve_by_steps, solve_exactly
from gateway.recon.sensitivities import espirit
from gateway.recon.smooth import reference_coil
from gateway.recon.solvers import Stop

N = 64
SCAN = PhantomScan(n_slices=1, n_coils=6, matrix=Zyx(z=1, y=N, x=N), noise=0.0, seed=1)


@pytest.fixture(scope="module")
def kspace() -> Tensor:
    """Fully sampled, oversampling gone. Shape `(coil y x)`."""
    samples = torch.from_numpy(slice_kspace(SCAN, 0).astype(np.complex64))
    return fourier(resize(inverse_fourier(samples, (-1,)), -1, N), (-1,))


@pytest.fixture(scope="module")
def truth() -> tuple[Tensor, Tensor]:
    """Sensitivities of norm 1, and where there is anything to see."""
    place = (np.arange(N) - N // 2) * SCAN.fov_mm / N
    x, y = np.meshgrid(place, place)
    maps = torch.from_numpy(sensitivities_at(SCAN, x, y).astype(np.complex64))
    return maps / maps.abs().square().sum(dim=0).sqrt(), torch.from_numpy(anatomy_at(SCAN, 0, x, y) > 0.3)


def _calibration(kspace: Tensor, n: int = 24) -> Tensor:
    return resize(resize(kspace, -1, n), -2, n)


ESTIMATORS: dict[str, tuple[Callable[[Tensor], Tensor], float]] = {
    "espirit": (lambda block: espirit(block, n_y=N, n_x=N).maps[0], 0.02),
    "walsh": (lambda block: adaptive(block, (N, N), walsh), 0.15),
    "inati": (lambda block: adaptive(block, (N, N), inati), 0.15),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimated_sensitivities_are_the_true_ones_up_to_a_phase(
    name: str, kspace: Tensor, truth: tuple[Tensor, Tensor]
) -> None:
    estimate, limit = ESTIMATORS[name]
    maps, there = truth
    alike = (maps.conj() * estimate(_calibration(kspace))).sum(dim=0).abs()[there]
    assert (1 - alike.square()).clamp_min(0).sqrt().mean() < limit


def test_what_espirit_explains_is_the_object(kspace: Tensor, truth: tuple[Tensor, Tensor]) -> None:
    found = espirit(_calibration(kspace), n_y=N, n_x=N, n_sets=2)
    assert found.explained[0][truth[1]].min() > 0.95
    assert found.explained[1][truth[1]].median() < 0.9
    overlap = (found.maps[0].conj() * found.maps[1]).sum(dim=0).abs()[truth[1]]
    assert overlap.max() < 0.15


def test_espirit_holds_on_an_axis_that_is_shorter_than_its_links(kspace: Tensor, truth: tuple[Tensor, Tensor]) -> None:
    few = 8
    found = espirit(resize(_calibration(kspace), -2, few), n_y=few, n_x=N).maps[0]
    assert torch.isfinite(torch.view_as_real(found)).all()
    rows = torch.arange(few) * (N // few)  # the centres, n // 2, are the same place
    alike = (truth[0][:, rows].conj() * found).sum(dim=0).abs()[truth[1][rows]]
    assert (1 - alike.square()).clamp_min(0).sqrt().mean() < 0.2


def test_two_sets_tell_images_apart_that_lie_on_each_other(kspace: Tensor) -> None:
    folded = espirit(_calibration(kspace[:, ::2], 24), n_y=N // 2, n_x=N, n_sets=2)
    assert (folded.explained[1][N // 4 - 4 : N // 4 + 4, 24:40] > 0.9).float().mean() < 1
    assert folded.explained[1].max() > 0.95


@pytest.mark.parametrize(
    "lattice",
    [
        Lattice(step_z=1, step_y=3, shift=0, first_z=0, first_y=1),
        Lattice(step_z=2, step_y=2, shift=0, first_z=1, first_y=0),
        Lattice(step_z=2, step_y=3, shift=1, first_z=0, first_y=2),
    ],
    ids=["lines", "lines and partitions", "CAIPIRINHA"],
)
def test_grappa_is_exact_where_coils_are_plane_waves(lattice: Lattice) -> None:
    """A plane wave as sensitivity shifts k-space, so a neighbour of one coil is the missing point of another."""
    random = torch.Generator().manual_seed(3)
    n_z, n_y, n_x = 12 if lattice.step_z > 1 else 1, 30, 16
    wide = torch.randn(n_z + 4, n_y + 8, n_x, dtype=torch.complex64, generator=random)
    shifts = [(j, i) for j in (range(3) if n_z > 1 else (0,)) for i in range(5)]
    whole = torch.stack([wide[j : j + n_z, i : i + n_y] for j, i in shifts])
    hybrid = inverse_fourier(whole, (-1,))
    kernel = grappa.kernel_for(lattice, n_lines=4, n_readout=1)
    weights = grappa.learn(hybrid, kernel, n_x=n_x, regularisation=1e-6)
    on_it = torch.from_numpy(lattice.points(n_z, n_y))
    filled = grappa.fill(hybrid * on_it[..., None], lattice, kernel, weights)
    inside = filled[:, 2:-3, 9:-10] if n_z > 1 else filled[:, :, 9:-10]
    expected = hybrid[:, 2:-3, 9:-10] if n_z > 1 else hybrid[:, :, 9:-10]
    torch.testing.assert_close(inside, expected, atol=2e-2, rtol=0)


def test_every_point_is_on_one_shift_of_a_lattice() -> None:
    shifts = [
        Lattice(step_z=2, step_y=3, shift=2, first_z=z, first_y=y).points(8, 12).astype(int)
        for z in range(2)
        for y in range(3)
    ]
    np.testing.assert_array_equal(sum(shifts), np.ones((8, 12)))


def _problem(*, n_y: int = 24, n_x: int = 6, noise_power: float = 1e-6) -> tuple[Unfolding, Tensor]:
    random = torch.Generator().manual_seed(4)
    maps = torch.randn(1, 4, 1, n_y, n_x, dtype=torch.complex64, generator=random)
    image = torch.randn(1, 1, n_y, n_x, dtype=torch.complex64, generator=random)
    filled = (torch.arange(n_y) % 2 == 0)[None]
    data = fourier((maps * image.unsqueeze(1)).sum(dim=0), (-3, -2)) * filled[..., None]
    prior = torch.rand(1, 1, n_y, n_x, generator=random) + 0.5
    return Unfolding(data=data, filled=filled, maps=maps, prior=prior, noise_power=noise_power), image


def _by_steps(problem: Unfolding) -> Tensor:
    """Solve by conjugate gradients what was set to be solved exactly."""
    least_squares = cartesian_problem(problem.data[None], problem.filled[None], problem.maps)
    stop = Stop(steps=200, tolerance=1e-7)
    images = solve_by_steps(least_squares, problem.prior.movedim(-1, -3), problem.noise_power, stop)
    return images[0].movedim(-3, -1)


def test_without_noise_the_image_comes_out_exactly() -> None:
    problem, image = _problem()
    torch.testing.assert_close(solve_exactly(problem), image, atol=1e-3, rtol=0)
    torch.testing.assert_close(_by_steps(problem), image, atol=1e-3, rtol=0)


def test_steps_and_factorisation_solve_the_same_system() -> None:
    problem, _ = _problem(noise_power=0.3)
    torch.testing.assert_close(_by_steps(problem), solve_exactly(problem), atol=1e-4, rtol=0)


def test_compressed_coils_keep_what_few_coils_hold() -> None:
    random = torch.Generator().manual_seed(5)
    few = torch.randn(3, 1, 8, 8, dtype=torch.complex64, generator=random)
    mixed = torch.einsum("ab,bzyx->azyx", torch.randn(10, 3, dtype=torch.complex64, generator=random), few)
    virtual = by_svd([mixed], 3).coils
    torch.testing.assert_close(virtual @ virtual.mH, torch.eye(3, dtype=torch.complex64))
    back = torch.tensordot(virtual.mH @ virtual, mixed, dims=1)
    torch.testing.assert_close(back, mixed, atol=1e-4, rtol=0)


@pytest.mark.parametrize("weak", [0.1, 0.3, 1.0])
def test_the_phase_of_maps_turns_round_no_point(weak: float) -> None:
    """Most of the signal is in coils whose phase turns round the centre; a weak one sees the centre all the same."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, 21), torch.linspace(-1, 1, 21), indexing="ij")
    turning = torch.complex(x, y)
    images = torch.stack([torch.full_like(turning, weak), turning, 1j * turning, 0.5 * turning.conj()])
    seen = torch.tensordot(reference_coil(images).conj(), images, dims=1).abs()
    brightness = torch.linalg.vector_norm(images, dim=0)
    assert float((seen / brightness).min()) > 0.05
    _, vectors = torch.linalg.eigh(images.flatten(1) @ images.flatten(1).mH)
    most = torch.tensordot(vectors[:, -1].conj(), images, dims=1).abs()
    assert float((most / brightness).min()) < 1e-3, "what holds most of the signal does not see the centre"


def test_a_real_head_has_no_hole_where_coils_turn(shared_data: Path) -> None:
    scan = read_scan(shared_data / "mrd" / "brain_16ch_r2_acs20.h5")
    header = parse_header(scan.header_xml)
    images = {
        how: reconstruct(scan.acquisition, header, GrappaRecipe(coils=how), device="cpu", progress=lambda *_: None)[
            0
        ].pixels
        for how in ("rss", "inati", "walsh", "espirit")
    }
    bright = images["rss"] > 0.2 * images["rss"].max()
    for how in ("inati", "walsh", "espirit"):
        assert (images[how] / images["rss"])[bright].min() > 0.7, how
