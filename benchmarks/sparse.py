"""Wavelet-regularised SENSE of one slice: 320 x 320, 16 coils, one line in 4 with 24 in the middle, 50 steps of FISTA.

All peers have the same samples, maps and wavelet, the same penalty in the same units, and start at zero.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.registry import Peers, benchmark
from gateway.model.recipes import L1WaveletRecipe
from gateway.model.zyx import Zyx
from gateway.recon.cartesian_problem import cartesian_problem
from gateway.recon.methods.l1_wavelet import solve
from gateway.recon.phantom import PhantomScan, anatomy_at, sensitivities_at, slice_kspace

Complex = npt.NDArray[np.complex64]

N = 320
STEPS = 50
PENALTY = 0.008
NOISE = 0.02
CALIBRATION = 24


@benchmark
def l1_wavelet() -> Iterator[Peers]:
    """Solve the same problem to an error within a tenth of ours."""
    scan = PhantomScan(n_slices=1, n_coils=16, matrix=Zyx(z=1, y=N, x=N), noise=0.0)
    kspace, maps, truth = _problem(scan)
    peers: dict[str, Callable[[], Complex]] = {"gateway": lambda: _gateway(kspace, maps)}
    if importlib.util.find_spec("sigpy"):
        peers["sigpy"] = lambda: _sigpy(kspace, maps)
    with tempfile.TemporaryDirectory() as folder:
        if shutil.which("bart"):
            peers["bart, a process"] = _bart(Path(folder), kspace, maps)
        errors = {name: _error(work(), truth) for name, work in peers.items()}
        print(", ".join(f"{name}: error {error:.4f}" for name, error in errors.items()))
        if errors["gateway"] > 1.1 * min(errors.values()):
            raise AssertionError(errors)
        yield peers


def _problem(scan: PhantomScan) -> tuple[Complex, Complex, Complex]:
    """Measure the head; the maps and the image are those of its formulas. Shapes `(coil y x)`, twice, and `(y x)`."""
    pixels = (np.arange(N) - N // 2) * scan.fov_mm / N
    y, x = np.meshgrid(pixels, pixels, indexing="ij")
    maps = sensitivities_at(scan, x, y)
    size = np.sqrt((np.abs(maps) ** 2).sum(axis=0))
    oversampled = slice_kspace(scan, 0)
    images = np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(oversampled, -1), norm="ortho"), -1)[..., N // 2 : -N // 2]
    kspace = np.fft.fftshift(np.fft.fft(np.fft.ifftshift(images, -1), norm="ortho"), -1)
    random = np.random.default_rng(3)
    kspace = kspace + NOISE / 2**0.5 * random.standard_normal((*kspace.shape, 2)).view(np.complex128)[..., 0]
    from_centre = np.abs(np.arange(N) - N // 2)
    kspace *= ((from_centre % 4 == 0) | (from_centre < CALIBRATION // 2))[:, None]
    truth = anatomy_at(scan, 0, x, y) * size
    return kspace.astype(np.complex64), (maps / size).astype(np.complex64), truth.astype(np.complex64)


def _error(image: Complex, truth: Complex) -> float:
    return float(np.linalg.norm(np.abs(image) - truth) / np.linalg.norm(truth))


def _gateway(kspace: Complex, maps: Complex) -> Complex:
    """Include what depends on the samples: the transform of the readouts, and the problem itself."""
    hybrid = torch.fft.fftshift(torch.fft.ifft(torch.fft.ifftshift(torch.from_numpy(kspace), -1), norm="ortho"), -1)
    filled = torch.from_numpy(kspace[0].any(axis=-1))[None, None]
    with torch.inference_mode():
        problem = cartesian_problem(hybrid[None, :, None], filled, torch.from_numpy(maps)[None, :, None])
        image = solve(problem, PENALTY, L1WaveletRecipe(steps=STEPS, tolerance=0))
    return np.asarray(image[0, 0, :, 0].T.numpy())


def _sigpy(kspace: Complex, maps: Complex) -> Complex:
    apps: Any = importlib.import_module("sigpy.mri.app")
    weights = (kspace[:1] != 0).any(axis=-1, keepdims=True).astype(np.float32)
    app = apps.L1WaveletRecon(kspace, maps, PENALTY, weights=weights, wave_name="db2", max_iter=STEPS, show_pbar=False)
    return np.asarray(app.run())


def _bart(folder: Path, kspace: Complex, maps: Complex) -> Callable[[], Complex]:
    """Prepare the files that the program reads; its own start and its files are part of its time."""
    for name, values in (("kspace", kspace), ("maps", maps)):
        _write(folder / name, values.transpose(2, 1, 0)[:, :, None])
    call = ["bart", "pics", "-e", "-i", str(STEPS), "-w", "1", "-R", f"W:3:0:{PENALTY}", "kspace", "maps", "image"]

    def run() -> Complex:
        threads = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
        subprocess.run(call, cwd=folder, check=True, env=threads, stdout=subprocess.DEVNULL)  # noqa: S603 - our own call
        return np.fromfile(folder / "image.cfl", np.complex64).reshape(N, N)

    return run


def _write(path: Path, values: Complex) -> None:
    """Write BART's format: Fortran order, the dimensions in a text file beside it."""
    dimensions = [*values.shape, *[1] * (16 - values.ndim)]
    path.with_suffix(".hdr").write_text("# Dimensions\n" + " ".join(map(str, dimensions)) + "\n")
    values.ravel(order="F").tofile(path.with_suffix(".cfl"))
