"""Other people's implementations find the same, given the same samples and parameters: sigpy, pygrappa and BART."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from benchmarks.bart import Bart
from gateway.model.zyx import Zyx
from gateway.recon import grappa
from gateway.recon.cartesian_problem import cartesian_problem
from gateway.recon.fourier import fourier, inverse_fourier, resize
from gateway.recon.lattice import Lattice
from gateway.recon.phantom import PhantomScan, anatomy_at, sensitivities_at, slice_kspace
from gateway.recon.sense import solve_by_steps
from gateway.recon.sensitivities import espirit
from gateway.recon.solvers import Stop
from tests.recon.laws import relative_error

N, STEP, CALIBRATION = 64, 2, 24
SCAN = PhantomScan(n_slices=1, n_coils=6, matrix=Zyx(z=1, y=N, x=N), noise=0.0, seed=1)
LINE = torch.arange(N) - N // 2
CALIBRATED = abs(LINE + 0.5) < CALIBRATION / 2
FILLED = (LINE % STEP == 0) | CALIBRATED
WEIGHT = 0.01
"""Of the image's energy."""

Complex = npt.NDArray[np.complex64]


@cache
def kspace() -> Tensor:
    """Every line, with a little noise. Shape `(coil y x)`."""
    samples = torch.from_numpy(slice_kspace(SCAN, 0).astype(np.complex64))
    whole = fourier(resize(inverse_fourier(samples, (-1,)), -1, N), (-1,))
    random = torch.Generator().manual_seed(2)
    return whole + 0.005 * torch.randn(whole.shape, dtype=whole.dtype, generator=random)


def measured() -> Complex:
    """The lines that count. Shape `(coil y x)`."""
    return np.asarray((kspace() * FILLED[:, None]).numpy())


@cache
def true_maps() -> tuple[Tensor, Tensor]:
    """Sensitivities of norm 1, and where there is anything to see."""
    place = (np.arange(N) - N // 2) * SCAN.fov_mm / N
    x, y = np.meshgrid(place, place)
    maps = torch.from_numpy(sensitivities_at(SCAN, x, y).astype(np.complex64))
    return maps / torch.linalg.vector_norm(maps, dim=0), torch.from_numpy(anatomy_at(SCAN, 0, x, y) > 0.3)


def ours() -> Tensor:
    """SENSE with plain energy as its penalty, solved to the end. Shape `(y x)`."""
    hybrid = inverse_fourier(kspace() * FILLED[:, None], (-1,))
    problem = cartesian_problem(hybrid[None, :, None], FILLED[None, None], true_maps()[0][None, :, None])
    found = solve_by_steps(problem, torch.ones(1, N, 1, N), WEIGHT, Stop(steps=200, tolerance=1e-6))
    return found[0, 0, :, 0].T


def alike(left: Tensor, right: Tensor) -> Tensor:
    """Compare sensitivities of norm 1, whatever their phase, where there is signal. Shape `(pixel,)`."""
    return (left.conj() * right).sum(dim=0).abs()[true_maps()[1]]


def test_sigpy_solves_sense_to_the_same_image() -> None:
    apps = pytest.importorskip("sigpy.mri.app")
    app = apps.SenseRecon(measured(), true_maps()[0].numpy(), lamda=WEIGHT, max_iter=200, show_pbar=False)
    # Coils that see next to nothing are left out of our normal operator: a ten-thousandth of its energy.
    assert relative_error(torch.from_numpy(app.run()), ours()) < 2e-3


def test_sigpy_estimates_the_same_sensitivities() -> None:
    apps = pytest.importorskip("sigpy.mri.app")
    calibrated = apps.EspiritCalib(
        (kspace() * CALIBRATED[:, None]).numpy(),
        calib_width=CALIBRATION,
        kernel_width=6,
        crop=0,
        max_iter=20,
        show_pbar=False,
    )
    theirs = torch.from_numpy(calibrated.run())
    found = espirit(kspace()[:, CALIBRATED], n_y=N, n_x=N).maps[0]
    assert alike(found, theirs).quantile(0.02) > 0.99


def test_pygrappa_fills_the_same_lines() -> None:
    theirs = pytest.importorskip("pygrappa")
    calibration = kspace()[:, CALIBRATED]
    made = torch.from_numpy(
        theirs.grappa(measured(), calibration.numpy(), kernel_size=(5, 5), coil_axis=0, lamda=1e-4).astype(np.complex64)
    )
    lattice = Lattice(step_z=1, step_y=STEP, shift=0, first_z=0, first_y=0)
    kernel = grappa.kernel_for(lattice, n_lines=2, n_readout=5)
    hybrid = inverse_fourier(kspace(), (-1,))
    weights = grappa.learn(hybrid[:, None, CALIBRATED], kernel, n_x=N, regularisation=1e-4)
    filled = grappa.fill((hybrid * (LINE % STEP == 0)[:, None])[:, None], lattice, kernel, weights)[:, 0]
    found = fourier(torch.where(FILLED[:, None], hybrid, filled), (-1,))
    missing = ~FILLED
    theirs_off, ours_off = (relative_error(each[:, missing], kspace()[:, missing]) for each in (made, found))
    assert ours_off < 1.05 * theirs_off
    images = [torch.linalg.vector_norm(inverse_fourier(each, (-2, -1)), dim=0) for each in (made, found)]
    assert relative_error(images[1], images[0]) < 0.02


@pytest.mark.peer("bart")
def test_bart_solves_sense_to_the_same_image(tmp_path: Path) -> None:
    bart = Bart(tmp_path)
    bart.write("k", measured())
    bart.write("maps", np.asarray(true_maps()[0].numpy()))
    bart.run("pics", "-S", "-w1", "-l2", f"-r{WEIGHT}", "-i200", "k", "maps", "image")
    theirs = torch.from_numpy(bart.read("image"))
    assert relative_error(theirs, ours()) < 5e-3


@pytest.mark.peer("bart")
def test_bart_estimates_the_same_sensitivities(tmp_path: Path) -> None:
    bart = Bart(tmp_path)
    bart.write("k", measured())
    bart.run("ecalib", "-m1", "-c0", f"-r{CALIBRATION}", "k", "maps")
    found = espirit(kspace()[:, CALIBRATED], n_y=N, n_x=N).maps[0]
    assert alike(found, torch.from_numpy(bart.read("maps"))).quantile(0.02) > 0.99
