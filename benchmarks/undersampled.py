"""Undersampled Cartesian scans beside BART: a slice of 320 x 320, 16 coils, one line in four, 24 calibration lines.

Errors are those of the magnitude, relative to the root sum of squares of every line without noise; where a peer's error
is smaller than ours by more than a hundredth, the benchmark refuses to compare times.
"""

from __future__ import annotations

import importlib
import importlib.util
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from benchmarks.bart import Bart, installed
from benchmarks.registry import Peers, benchmark
from gateway.model.recipes import CgSenseRecipe
from gateway.model.zyx import Zyx
from gateway.recon import grappa
from gateway.recon.cartesian_problem import cartesian_problem
from gateway.recon.fourier import fourier, inverse_fourier, resize
from gateway.recon.lattice import Lattice
from gateway.recon.methods.sense import alike_where_bright
from gateway.recon.phantom import PhantomScan, slice_kspace
from gateway.recon.sense import Unfolding, solve_by_steps, solve_exactly
from gateway.recon.sensitivities import espirit
from gateway.recon.smooth import low_resolution
from gateway.recon.solvers import Stop

SIGPY, PYGRAPPA = (importlib.util.find_spec(name) is not None for name in ("sigpy", "pygrappa"))
"""Peers of Python, where the development environment has them."""

N, STEP, CALIBRATION = 320, 4, 24
NOISE = 0.003
"""Standard deviation of real and of imaginary part in a pixel, where the scalp is 1."""
MARGIN = 0.01
ENOUGH = 12
"""Steps of ours that err as little as 30 of BART or sigpy."""


@dataclass(frozen=True, slots=True)
class Work:
    """K-space `(coil y x)`, which lines were measured, and what should come out."""

    kspace: Tensor
    lattice: Tensor
    calibration: Tensor
    truth: Tensor

    @property
    def filled(self) -> Tensor:
        """Lines of the lattice and of the calibration."""
        return self.lattice | self.calibration


@lru_cache(maxsize=1)
def work() -> Work:
    """Scan one slice of the head."""
    scan = PhantomScan(n_slices=4, n_coils=16, matrix=Zyx(z=1, y=N, x=N), noise=0.0)
    samples = torch.from_numpy(slice_kspace(scan, 1).astype(np.complex64))
    kspace = fourier(resize(inverse_fourier(samples, (-1,)), -1, N), (-1,))
    random = torch.Generator().manual_seed(5)
    noise = torch.randn(kspace.shape, dtype=torch.complex64, generator=random) * NOISE * 2**0.5
    line = torch.arange(N) - N // 2
    truth = torch.linalg.vector_norm(inverse_fourier(kspace, (-2, -1)), dim=0)
    return Work(kspace + noise, line % STEP == 0, abs(line + 0.5) < CALIBRATION / 2, truth)


def _error(image: Tensor | npt.NDArray[np.complex64], truth: Tensor) -> float:
    """Compare magnitudes after the best common factor."""
    found = torch.as_tensor(image).abs()
    factor = (found * truth).sum() / found.square().sum()
    return float(torch.linalg.vector_norm(factor * found - truth) / torch.linalg.vector_norm(truth))


def _agree(name: str, ours: float, theirs: float) -> None:
    print(f"{name}: NRMSE {ours:.4f}, peer {theirs:.4f}")
    if ours > theirs + MARGIN:
        raise AssertionError(f"{name}: {ours:.4f} is worse than the peer's {theirs:.4f}")


def _problem(scan: Work, *, bright: bool) -> Unfolding:
    """Set the same problem for all; ``bright`` expects of each pixel what the calibration shows."""
    block = scan.kspace[:, scan.calibration]
    power = low_resolution(block, (N, N)).abs().square().sum(dim=0)
    expected = power + 1e-3 * power.mean()
    return Unfolding(
        data=inverse_fourier(scan.kspace * scan.filled[:, None], (-1,))[:, None],
        filled=scan.filled[None],
        maps=espirit(block, n_y=N, n_x=N).maps[:, :, None],
        prior=(expected if bright else alike_where_bright(expected))[None, None],
        noise_power=2 * NOISE**2,
    )


def _by_steps(problem: Unfolding, steps: int = CgSenseRecipe().steps) -> Tensor:
    """Solve by conjugate gradients. Shape `(y x)`."""
    least_squares = cartesian_problem(problem.data[None], problem.filled[None], problem.maps)
    prior, stop = problem.prior.movedim(-1, -3), Stop(steps=steps)
    return solve_by_steps(least_squares, prior, problem.noise_power, stop)[0, 0, :, 0].T


@benchmark
def espirit_maps() -> Iterator[Peers]:
    """Sensitivities by ESPIRiT, kernel 6 x 6, from 24 x 24 points."""
    scan = work()
    block = scan.kspace[:, scan.calibration]
    peers: dict[str, Callable[[], object]] = {"gateway": lambda: espirit(block, n_y=N, n_x=N)}
    if SIGPY:
        peers["sigpy EspiritCalib"] = lambda: _sigpy_maps(scan)
    with tempfile.TemporaryDirectory() as folder:
        if installed():
            bart = Bart(Path(folder))
            bart.write("k", (scan.kspace * scan.filled[:, None]).numpy())
            peers["bart ecalib"] = lambda: bart.run("ecalib", "-m1", "-c0", "-r24", "k", "maps")
            peers["bart ecalib"]()
            theirs = torch.from_numpy(bart.read("maps"))
            _agree("combined", _combined(scan, espirit(block, n_y=N, n_x=N).maps[0]), _combined(scan, theirs))
        yield peers


def _sigpy_maps(scan: Work) -> npt.NDArray[np.complex64]:
    apps: Any = importlib.import_module("sigpy.mri.app")
    measured = (scan.kspace * scan.filled[:, None]).numpy()
    app = apps.EspiritCalib(measured, calib_width=CALIBRATION, kernel_width=6, crop=0, show_pbar=False)
    found: npt.NDArray[np.complex64] = app.run()
    return found


def _sigpy_sense(scan: Work, maps: Tensor) -> npt.NDArray[np.complex64]:
    """Take 30 steps of conjugate gradients with the weight that BART is given."""
    apps: Any = importlib.import_module("sigpy.mri.app")
    measured = (scan.kspace * scan.filled[:, None]).numpy()
    found: npt.NDArray[np.complex64] = apps.SenseRecon(
        measured, maps.numpy(), lamda=0.001, max_iter=30, show_pbar=False
    ).run()
    return found


def _combined(scan: Work, maps: Tensor) -> float:
    images = inverse_fourier(scan.kspace, (-2, -1))
    norm = maps.abs().square().sum(dim=0).sqrt().clamp_min(1e-6)
    return _error((maps.conj() * images).sum(dim=0) / norm, scan.truth)


@benchmark
def unfolding() -> Iterator[Peers]:
    """SENSE with given maps: exactly, and by conjugate gradients that err as little as 30 steps of BART and sigpy."""
    scan = work()
    exact, alike = _problem(scan, bright=True), _problem(scan, bright=False)
    ours = _error(_by_steps(alike, ENOUGH), scan.truth)
    peers: dict[str, Callable[[], object]] = {
        f"gateway cg-sense, {ENOUGH} steps": lambda: _by_steps(alike, ENOUGH),
        "gateway cg-sense, as shipped": lambda: _by_steps(alike),
        "gateway sense, exact": lambda: solve_exactly(exact),
    }
    if SIGPY:
        maps = alike.maps[0, :, 0].contiguous()
        peers["sigpy SenseRecon, 30 steps"] = lambda: _sigpy_sense(scan, maps)
        _agree("sigpy", ours, _error(_sigpy_sense(scan, maps), scan.truth))
    print(f"as shipped: NRMSE {_error(_by_steps(alike), scan.truth):.4f}")
    print(f"exact: NRMSE {_error(solve_exactly(exact)[0, 0], scan.truth):.4f}")
    with tempfile.TemporaryDirectory() as folder:
        if installed():
            bart = Bart(Path(folder))
            bart.write("k", (scan.kspace * scan.filled[:, None]).numpy())
            bart.run("ecalib", "-m1", "-c0", "-r24", "k", "maps")
            peers["bart pics, 30 steps"] = lambda: bart.run("pics", "-l2", "-r0.001", "-i30", "k", "maps", "image")
            peers["bart pics, 30 steps"]()
            _agree("bart", ours, _error(bart.read("image"), scan.truth))
        yield peers


@benchmark
def grappa_4x5() -> Iterator[Peers]:
    """GRAPPA of 4 lines by 5 samples, weights and lines; pygrappa's kernel of 5 x 5 has the two lines beside a gap."""
    scan = work()
    lattice = Lattice(step_z=1, step_y=STEP, shift=0, first_z=0, first_y=0)
    kernel = grappa.kernel_for(lattice, n_lines=4, n_readout=5)
    hybrid = inverse_fourier(scan.kspace, (-1,))
    block, data = hybrid[:, scan.calibration][:, None], (hybrid * scan.lattice[:, None])[:, None]

    def ours() -> Tensor:
        weights = grappa.learn(block, kernel, n_x=N, regularisation=1e-4)
        return grappa.fill(data, lattice, kernel, weights)

    filled = torch.where(scan.calibration[:, None], hybrid, ours()[:, 0])
    found = _error(torch.linalg.vector_norm(inverse_fourier(filled, (-2,)), dim=0), scan.truth)
    print(f"grappa: NRMSE {found:.4f}")
    peers: dict[str, Callable[[], object]] = {"gateway": ours}
    if PYGRAPPA:
        peers["pygrappa cgrappa 5 x 5"] = lambda: _pygrappa(scan)
        images = inverse_fourier(torch.from_numpy(_pygrappa(scan)), (-2, -1))
        _agree("grappa", found, _error(torch.linalg.vector_norm(images, dim=0), scan.truth))
    yield peers


def _pygrappa(scan: Work) -> npt.NDArray[np.complex64]:
    pygrappa: Any = importlib.import_module("pygrappa")
    measured, block = (
        each.numpy().astype(np.complex128)
        for each in (scan.kspace * scan.filled[:, None], scan.kspace[:, scan.calibration])
    )
    made: npt.NDArray[np.complex128] = pygrappa.cgrappa(measured, block, kernel_size=(5, 5), coil_axis=0, lamda=1e-4)
    return made.astype(np.complex64)
