"""Small files of each public collection's layout give the image that the collection's own code makes of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from gateway.model.errors import BadScan, UnreadableFile
from gateway.model.training_data import LayoutData
from gateway.recon.fourier import inverse_fourier
from gateway.training.simulation import FullSlice
from gateway.training.sources import source_of
from tests.training.plans import plan, run

Complex = np.ndarray[Any, np.dtype[np.complex64]]
N_COILS, N_Y, N_X = 3, 40, 48


def _scene(seed: int = 0) -> Complex:
    """Coils that see a rectangle away from the middle, each with a phase of its own. Shape `(coil y x)`."""
    image = np.zeros((N_Y, N_X), np.complex64)
    image[8:24, 10:40], image[12:16, 20:30] = 1, 2
    sizes = np.random.default_rng(seed).uniform(0.5, 1.5, N_COILS) * np.exp(1j * np.arange(N_COILS))
    return np.asarray(sizes[:, None, None] * image, np.complex64)


def _centred(coils: Complex, axes: tuple[int, ...]) -> Complex:
    shifted = np.fft.ifftshift(coils, axes=axes)
    return np.asarray(np.fft.fftshift(np.fft.fftn(shifted, axes=axes, norm="ortho"), axes=axes), np.complex64)


def _h5(path: Path, **values: np.ndarray) -> Path:
    with h5py.File(path, "w") as file:
        for name, value in values.items():
            file[name] = value
    return path


def _fastmri(path: Path) -> Path:
    """Slice, coil, readout, line; readouts of twice the field of view, which the image shows half of."""
    wide = np.zeros((N_COILS, 2 * N_X, N_Y), np.complex64)
    wide[:, N_X // 2 : N_X // 2 + N_X] = _scene().transpose(0, 2, 1)
    shown = np.zeros((1, N_X, N_Y), np.float32)
    return _h5(path / "knee.h5", kspace=_centred(wide, (1, 2))[None], reconstruction_rss=shown)


def _m4raw(path: Path) -> Path:
    kspace = _centred(_scene().transpose(0, 2, 1), (1, 2))[None]
    return _h5(path / "T101.h5", kspace=kspace, reconstruction_rss=np.zeros((1, N_X, N_Y), np.float32))


def _skm_tea(path: Path) -> Path:
    """Nx, Ny, Nz, echoes, coils; x is transformed already."""
    kspace = np.moveaxis(_centred(_scene(), (1, 2)), 0, -1)[None, :, :, None]
    return _h5(path / "MTR_001.h5", kspace=kspace, maps=np.ones((1, N_Y, N_X, N_COILS, 1), np.complex64))


def _cmrxrecon(path: Path) -> Path:
    """In MATLAB (nx, ny, nc, nz, nt); its complex numbers are pairs with names."""
    kspace = _centred(_scene(), (1, 2))[None, None]
    pairs = np.zeros(kspace.shape, [("real", "<f4"), ("imag", "<f4")])
    pairs["real"], pairs["imag"] = kspace.real, kspace.imag
    return _h5(path / "cine_sax.mat", kspace_full=pairs)


def _by_turns(kspace: Complex) -> np.ndarray:
    """Coils last, real and imaginary parts by turns."""
    parts = np.stack([kspace.real, kspace.imag], axis=-1)
    return np.moveaxis(parts, 0, -2).reshape(*kspace.shape[1:], -1).astype(np.float32)


def _calgary(path: Path) -> Path:
    """The image is the plain inverse transform, its centre where it is shown; k-space has its centre in the middle."""
    shifted = np.fft.fftshift(np.fft.fft2(_scene(), norm="ortho"), axes=(-2, -1))
    return _h5(path / "e14.h5", kspace=_by_turns(shifted.astype(np.complex64))[None])


def _calgary_single(path: Path) -> Path:
    """The same of one coil, as NumPy writes it, with the centre of k-space in the corner."""
    np.save(path / "e14.npy", _by_turns(np.fft.fft2(_scene()[:1], norm="ortho").astype(np.complex64))[None])
    return path / "e14.npy"


WRITERS: dict[str, tuple[str, Callable[[Path], Path], int]] = {
    "fastmri": ("fastmri", _fastmri, N_COILS),
    "m4raw": ("m4raw", _m4raw, N_COILS),
    "skm-tea": ("skm-tea", _skm_tea, N_COILS),
    "cmrxrecon": ("cmrxrecon", _cmrxrecon, N_COILS),
    "calgary-campinas": ("calgary-campinas", _calgary, N_COILS),
    "calgary-campinas, one coil": ("calgary-campinas", _calgary_single, 1),
}


def _first(kind: str, path: Path) -> FullSlice:
    return source_of(LayoutData.model_validate({"kind": kind, "paths": [path]}))(np.random.default_rng(0))


@pytest.mark.parametrize("name", WRITERS)
def test_every_layout_gives_its_image_with_lines_along_y(tmp_path: Path, name: str) -> None:
    kind, write, n_coils = WRITERS[name]
    slice_ = _first(kind, write(tmp_path))
    assert slice_.data.shape == (n_coils, N_Y, N_X)
    assert bool(slice_.filled.all())
    found = np.asarray(inverse_fourier(slice_.data, (-2,)).abs())
    np.testing.assert_allclose(found, np.abs(_scene()[:n_coils]), atol=2e-5)


@pytest.mark.parametrize("name", WRITERS)
def test_files_of_another_layout_are_refused_by_name(tmp_path: Path, name: str) -> None:
    kind, write, _ = WRITERS[name]
    suffix = write(tmp_path).suffix
    other = tmp_path / f"other{suffix}"
    if suffix == ".npy":
        np.save(other, np.zeros((2, 3)))
    else:
        _h5(other, kspace=np.zeros((2, 3)))
    with pytest.raises(UnreadableFile, match="axes"):
        _first(kind, other)
    other.write_bytes(b"nothing of the kind")
    with pytest.raises(UnreadableFile, match=r"is not HDF5|no NumPy file"):
        _first(kind, other)


def test_the_end_of_partitions_that_calgary_left_out_stays_zero_and_lines_are_whole(tmp_path: Path) -> None:
    file = _calgary(tmp_path)
    with h5py.File(file, "r+") as opened:
        opened["kspace"][:, :, 41:] = 0
    assert bool(_first("calgary-campinas", file).filled.all())


def test_lines_without_samples_are_missing_and_a_file_of_zeros_is_no_scan(tmp_path: Path) -> None:
    file = _skm_tea(tmp_path)
    with h5py.File(file, "r+") as opened:
        opened["kspace"][:, ::2] = 0
    torch.testing.assert_close(_first("skm-tea", file).filled, torch.arange(N_Y)[:, None] % 2 == 1)
    with h5py.File(file, "r+") as opened:
        opened["kspace"][:] = 0
    with pytest.raises(BadScan, match="no samples but zeros"):
        _first("skm-tea", file)


def test_a_collection_trains_a_network(tmp_path: Path) -> None:
    data = [{"kind": "cmrxrecon", "paths": [str(_cmrxrecon(tmp_path))]}]
    model = run(plan(data=data, validation=data, fit={"steps": 1, "epoch": 1}), tmp_path / "run")
    assert not model.card.trained_on.synthetic
    assert "cmrxrecon" in model.card.trained_on.data
