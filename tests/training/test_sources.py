"""Slices of every kind of data come out alike: lines in k-space, readouts transformed, noise known; or are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from gateway.model.errors import BadScan, UnreadableFile, WrongCall
from gateway.model.training_data import ImageData, LayoutData, ProceduralData, ScanData
from gateway.recon.fourier import inverse_fourier
from gateway.recon.phantom import head_phantom
from gateway.training.lessons import lesson, whole_lesson
from gateway.training.losses import error_over_object
from gateway.training.masking import mask_of, masked
from gateway.training.procedural import head
from gateway.training.simulation import FullSlice
from gateway.training.sources import source_of
from tests.recon.scans import fft
from tests.recon.undersampled import HEAD
from tests.recordings import put_phantom
from tests.training.plans import plan, run

SMALL = replace(HEAD, n_slices=2)


def _random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def _combined(slice_: FullSlice) -> np.ndarray:
    return np.asarray(torch.linalg.vector_norm(inverse_fourier(slice_.data, (-2,)), dim=0))


def test_a_drawn_head_is_finite_has_air_around_and_follows_from_its_seed() -> None:
    image = head(96, 80, _random(3))
    assert image.shape == (96, 80)
    assert np.isfinite(image).all()
    assert image.min() >= 0
    assert np.median(image[[0, -1]]) < 0.01 * image.max(), "heads may touch the edge, but there is air"
    np.testing.assert_array_equal(image, head(96, 80, _random(3)))
    assert not np.array_equal(image, head(96, 80, _random(4)))


def test_simulated_noise_has_the_power_that_the_slice_says() -> None:
    slice_ = source_of(ProceduralData(matrix=(64,), n_coils=(6,), quietest=0.03, noisiest=0.03))(_random())
    assert slice_.data.shape == (6, 64, 64)
    power = float((slice_.data - slice_.clean).abs().square().mean())
    assert power == pytest.approx(slice_.noise_power, rel=0.05)
    assert float(torch.linalg.vector_norm(inverse_fourier(slice_.clean, (-2,)), dim=0).max()) == pytest.approx(
        1, rel=1e-3
    )


def test_a_recording_gives_the_image_that_the_gateway_makes_of_it(tmp_path: Path) -> None:
    file = put_phantom(tmp_path / "head.mrd", replace(SMALL, n_slices=1))
    slice_ = source_of(ScanData(paths=(tmp_path,)))(_random())
    wanted = fft(*head_phantom(replace(SMALL, n_slices=1))).pixels[0]
    found = _combined(slice_)
    scale = float((found * wanted).sum() / (wanted**2).sum())
    assert file.exists()
    assert np.linalg.norm(found / scale - wanted) < 0.02 * np.linalg.norm(wanted)
    assert bool(slice_.filled.all())


def _fastmri(path: Path, kspace: np.ndarray, **more: np.ndarray) -> Path:
    with h5py.File(path, "w") as file:
        file["kspace"] = kspace
        for name, values in more.items():
            file[name] = values
    return path


def test_fastmris_layout_gives_the_image_of_its_own_reconstruction(tmp_path: Path) -> None:
    """Coils that see a square, readouts oversampled twofold, as its files have them: slice, coil, readout, line."""
    image = np.zeros((2, 64, 40), np.complex64)
    image[0, 20:44, 10:30], image[1, 24:40, 5:35] = 1, 0.5j
    kspace = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(image, axes=(-2, -1)), norm="ortho"), axes=(-2, -1))
    file = _fastmri(
        tmp_path / "knee.h5", kspace[None].astype(np.complex64), reconstruction_rss=np.zeros((1, 32, 32), np.float32)
    )
    slice_ = source_of(LayoutData(kind="fastmri", paths=(file,)))(_random())
    assert slice_.data.shape == (2, 40, 32)
    np.testing.assert_allclose(_combined(slice_), np.linalg.norm(image[:, 16:48], axis=0).T, atol=1e-5)


def test_a_mask_of_fastmri_says_which_lines_there_are(tmp_path: Path) -> None:
    mask = np.arange(40) % 2 == 0
    kspace = np.random.default_rng(1).standard_normal((1, 2, 64, 40)).astype(np.complex64) * mask
    slice_ = source_of(LayoutData(kind="fastmri", paths=(_fastmri(tmp_path / "a.h5", kspace, mask=mask),)))(_random())
    np.testing.assert_array_equal(slice_.filled.numpy()[:, 0], mask)
    with pytest.raises(BadScan, match="supervised training needs every line"):
        masked(slice_, plan(), _random())


@pytest.mark.parametrize(
    ("write", "why"),
    [
        (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\nnothing"), "is not HDF5"),
        (lambda path: _fastmri(path, np.zeros((2, 3), np.float32)), "is not complex of 3 or 4 axes"),
    ],
)
def test_files_in_another_layout_are_refused(tmp_path: Path, write: object, why: str) -> None:
    assert callable(write)
    write(tmp_path / "bad.h5")
    with pytest.raises(UnreadableFile, match=why):
        source_of(LayoutData(kind="fastmri", paths=(tmp_path,)))


def test_images_without_phase_are_refused_unless_asked_for(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", head(64, 64, _random()))
    with pytest.raises(WrongCall, match="say magnitude = true"):
        source_of(ImageData(paths=(tmp_path,)))
    slice_ = source_of(ImageData(paths=(tmp_path,), magnitude=True, n_coils=(5,)))(_random())
    assert slice_.data.shape == (5, 32, 32)
    np.save(tmp_path / "b.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(UnreadableFile, match="no NumPy file of numbers"):
        source_of(ImageData(paths=(tmp_path,), magnitude=True))


def test_a_folder_without_scans_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongCall, match="has no files"):
        source_of(ScanData(paths=(tmp_path / "none",)))


def test_scans_train_a_network(tmp_path: Path) -> None:
    put_phantom(tmp_path / "learn" / "one.mrd", SMALL)
    put_phantom(tmp_path / "judge" / "two.mrd", replace(SMALL, seed=5))
    scans = [{"kind": "scans", "paths": [str(tmp_path / "learn")]}]
    judge = [{"kind": "scans", "paths": [str(tmp_path / "judge" / "two.mrd")]}]
    model = run(plan(data=scans, validation=judge, fit={"steps": 2, "epoch": 1}), tmp_path / "run")
    assert not model.card.trained_on.synthetic


@pytest.mark.parametrize("n", [32, 65])
def test_every_mask_keeps_its_calibration(n: int) -> None:
    chosen = plan(masks={"accelerations": [4, 8], "n_calibration": [10, 12]}).masks
    for seed in range(20):
        lines = mask_of(chosen, (n, 1), _random(seed))[:, 0]
        assert lines[n // 2 - 5 : n // 2 + 5].all()
        assert not lines.all()


def test_held_lines_are_not_shown_and_every_measured_line_is_one_or_the_other() -> None:
    slice_ = source_of(ProceduralData(matrix=(64,), n_coils=(4,)))(_random(1))
    taught = masked(slice_, plan(paradigm="ssdu", losses=[{"kind": "k-space"}]), _random(2))
    assert not (taught.filled & taught.counted).any()
    assert taught.counted.sum() > 0
    assert taught.filled[28:36].all()


def test_zero_shot_training_never_sees_the_lines_that_judge_it() -> None:
    chosen = plan(paradigm="zero-shot", losses=[{"kind": "k-space"}])
    slice_ = source_of(ProceduralData(matrix=(64,), n_coils=(4,)))(_random(1))
    judge = masked(slice_, chosen, _random(), for_validation=True)
    for seed in range(10):
        taught = masked(slice_, chosen, _random(seed))
        assert not ((taught.filled | taught.counted) & judge.counted).any()


def test_the_whole_slice_and_a_slab_of_it_are_in_the_same_units() -> None:
    """Up to the phase, which is each one's own."""
    slice_ = source_of(ProceduralData(matrix=(64,), n_coils=(4,)))(_random(1))
    with torch.no_grad():
        part = masked(slice_, plan(), _random())
        whole, truth = whole_lesson([part])
        slab = lesson([part], plan(fit={"slab": 64}), _random())
    assert whole.image is not None
    assert slab.image is not None
    torch.testing.assert_close(slab.image.abs(), whole.image.abs(), rtol=1e-4, atol=1e-5)
    assert error_over_object(whole.image, truth) < 0.05, "sensitivities explain what was measured"
    clean = whole.shown.encoding.apply(whole.image)
    assert (clean - whole.shown.data).norm() < 0.3 * whole.shown.data.norm()
