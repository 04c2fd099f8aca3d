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
from gateway.training.layouts import LAYOUTS
from gateway.training.masking import masked
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


KSPACE_AND_LINES = {"cmrxrecon": ("kspace_full", 3), "skm-tea": ("kspace", 1), "calgary-campinas": ("kspace", 1)}


@pytest.mark.parametrize("name", [name for name in WRITERS if "one coil" not in name])
def test_lines_of_zeros_up_to_the_matrix_of_the_image_were_never_wanted(tmp_path: Path, name: str) -> None:
    """As most files of all collections have them; they are neither shown, nor missing, nor the noise."""
    kind, write, _ = WRITERS[name]
    file = write(tmp_path)
    key, axis = KSPACE_AND_LINES.get(kind, ("kspace", 3))
    with h5py.File(file, "r+") as opened:
        values = np.moveaxis(opened[key][()], axis, 0)
        values[:5], values[-6:] = np.zeros((), values.dtype), np.zeros((), values.dtype)
        opened[key][...] = np.moveaxis(values, 0, axis)
    slice_ = _first(kind, file)
    np.testing.assert_array_equal(np.flatnonzero(slice_.filled), np.arange(5, N_Y - 6))
    assert slice_.noise_power > 0
    kept = masked(slice_, plan(masks={"accelerations": [1]}), np.random.default_rng(0)).filled
    torch.testing.assert_close(kept, slice_.filled)


def test_planes_of_a_slab_leave_out_its_corners_and_what_the_matrix_adds(tmp_path: Path) -> None:
    """SKM-TEA: samples within an ellipse, in a matrix that is larger."""
    file = _skm_tea(tmp_path)
    y, z = np.ogrid[-20:20, -24:24]
    ellipse = (y / 15) ** 2 + (z / 18) ** 2 < 1
    with h5py.File(file, "r+") as opened:
        opened["kspace"][...] *= ellipse[None, :, :, None, None]
    plane = _first("skm-tea", file).as_plane()
    assert plane.whole
    np.testing.assert_array_equal(plane.filled.numpy(), ellipse)
    two = plan(masks={"directions": [2], "accelerations": [2], "n_calibration": [8]})
    assert not (masked(plane, two, np.random.default_rng(0)).filled.numpy() & ~ellipse).any()


@pytest.mark.parametrize(
    ("key", "axes", "n_coils", "n_slices"),
    [
        ("kspace_full", (2, 3, N_COILS), N_COILS, 6),
        ("kspace_single_full", (2, 3), 1, 6),
        ("kspace_single_full", (3,), 1, 3),
        ("kspace", (3, N_COILS), N_COILS, 3),
        ("kspace", (N_COILS,), N_COILS, 1),
        ("kus", (2, 1, N_COILS), N_COILS, 2),
        ("kspace_single_sub04", (2, 1), 1, 2),
    ],
)
def test_cmrxrecon_counts_its_axes_by_the_name_of_its_kspace(
    tmp_path: Path, key: str, axes: tuple[int, ...], n_coils: int, n_slices: int
) -> None:
    """MATLAB leaves out the last axes where they are one: black blood has no frames (2024, 2025)."""
    coils = _scene() if n_coils > 1 else _scene()[0]
    kspace = np.broadcast_to(_centred(coils, (-2, -1)), (*axes, N_Y, N_X))
    pairs = np.zeros(kspace.shape, [("real", "<f4"), ("imag", "<f4")])
    pairs["real"], pairs["imag"] = kspace.real, kspace.imag
    layout, file = LAYOUTS["cmrxrecon"], _h5(tmp_path / "heart.mat", **{key: pairs})
    assert layout.count(file) == n_slices
    last = layout.slice_of(file, n_slices - 1)
    assert last.data.shape == (n_coils, N_Y, N_X)
    np.testing.assert_allclose(inverse_fourier(last.data, (-2,)).abs(), np.abs(_scene()[:n_coils]), atol=2e-5)


def test_slices_that_are_damaged_or_not_finite_are_named(tmp_path: Path) -> None:
    file = _m4raw(tmp_path)
    with h5py.File(file, "r+") as opened:
        opened["kspace"][0, 0, 0, 0] = np.nan
    with pytest.raises(BadScan, match=r"T101.h5, slice 0: it has samples that are not finite"):
        _first("m4raw", file)
    kspace = np.ones((1, 2, 64, 64), np.complex64)
    with h5py.File(tmp_path / "whole.h5", "w") as opened:
        opened.create_dataset("kspace", data=kspace, compression="gzip", chunks=(1, 2, 64, 64))
        place = opened["kspace"].id.get_chunk_info(0).byte_offset
    whole = bytearray((tmp_path / "whole.h5").read_bytes())
    whole[place : place + 16] = bytes(16)
    (tmp_path / "whole.h5").write_bytes(whole)
    with pytest.raises(UnreadableFile, match="its slice 0 is damaged"):
        _first("fastmri", tmp_path / "whole.h5")


def test_lines_without_samples_are_missing_and_a_file_of_zeros_is_no_scan(tmp_path: Path) -> None:
    file = _skm_tea(tmp_path)
    with h5py.File(file, "r+") as opened:
        opened["kspace"][:, ::2] = 0
    slice_ = _first("skm-tea", file)
    torch.testing.assert_close(slice_.filled, torch.arange(N_Y)[:, None] % 2 == 1)
    with pytest.raises(BadScan, match=r"missing from MTR_001.h5, slice 0; supervised"):
        masked(slice_, plan(), np.random.default_rng(0))
    with h5py.File(file, "r+") as opened:
        opened["kspace"][:] = 0
    with pytest.raises(BadScan, match="no samples but zeros"):
        _first("skm-tea", file)


def test_a_collection_trains_a_network(tmp_path: Path) -> None:
    data = [{"kind": "cmrxrecon", "paths": [str(_cmrxrecon(tmp_path))]}]
    model = run(plan(data=data, validation=data, fit={"steps": 1, "epoch": 1}), tmp_path / "run")
    assert not model.card.trained_on.synthetic
    assert "cmrxrecon" in model.card.trained_on.data
