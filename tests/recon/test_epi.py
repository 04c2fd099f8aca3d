"""Echo trains become the image of a plain scan: the truth is the head scanned line by line in one direction."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from gateway.model.errors import BadScan
from gateway.model.readout import Flag, Readouts
from gateway.model.recipes import AutoRecipe
from gateway.recon.epi.ghost import from_entropy, from_navigators
from gateway.recon.epi.regridding import regridding
from gateway.recon.epi.straighten import straighten
from gateway.recon.epi.trapezoid import Trapezoid
from gateway.recon.fourier import inverse_fourier
from gateway.recon.phantom import head_phantom
from tests.recon.epi_scans import EpiScan, epi
from tests.recon.laws import random_complex
from tests.recon.scans import encoded, fft, flagged, relabelled
from tests.recon.undersampled import error, run

HEAD = EpiScan().head
Image = npt.NDArray[np.float32]


@lru_cache(maxsize=1)
def _truth() -> Image:
    return fft(*head_phantom(HEAD)).pixels


def ghost_level(image: Image, truth: Image) -> float:
    """Take what lies half a field of view beside the head, above what a perfect image has there, over the head."""
    bright = truth > 0.1 * truth.max()
    ghost = (truth < 0.02 * truth.max()) & np.roll(bright, truth.shape[1] // 2, axis=1)
    assert ghost.sum() > 500
    return float((image[ghost] - truth[ghost]).mean() / truth[bright].mean())


CASES: dict[str, tuple[dict[str, Any], float]] = {
    "single shot": ({}, 0.005),
    "more samples than points": ({"n_samples": 160, "dwell_us": 2.0}, 0.005),
    "no ramps sampled": ({"dwell_us": 1.25, "lag_us": 0.5}, 0.005),
    "a trajectory of its own": ({"explicit": True}, 0.005),
    "four shots": ({"shots": 4}, 0.005),
    "two navigators": ({"n_navigators": 2}, 0.005),
    "no lag, no eddy currents": ({"lag_us": 0.0, "eddy_rad": 0.0}, 0.002),
    "a long lag and half a turn": ({"lag_us": -8.0, "eddy_rad": 2.8}, 0.01),
    "no navigators": ({"n_navigators": 0}, 0.005),
    "no navigators, two shots": ({"n_navigators": 0, "shots": 2}, 0.005),
    "accelerated, with reference lines": ({"acceleration": 2, "calibration_lines": 24}, 0.01),
}


@pytest.mark.parametrize("name", CASES)
def test_auto_makes_of_an_epi_scan_the_image_of_a_plain_one(name: str) -> None:
    how, limit = CASES[name]
    series = run(epi(replace(EpiScan(), **how)), AutoRecipe())
    assert error(series.pixels, _truth()) < limit
    assert ghost_level(series.pixels, _truth()) < 0.005


def test_without_the_correction_there_would_be_a_ghost() -> None:
    readouts, header = epi(EpiScan())
    assert ghost_level(fft(readouts, encoded(header, trajectory="cartesian")).pixels, _truth()) > 0.1


def test_reference_lines_of_a_gradient_echo_stay_as_they_are() -> None:
    (readouts,), header = epi(replace(EpiScan(), acceleration=2))
    (whole,), _ = head_phantom(replace(HEAD, noise=0.0))
    middle = abs(whole.heads["idx"]["kspace_encode_step_1"].astype(int) - 32) < 12
    reference = flagged(whole.select(middle), np.ones(middle.sum(), np.bool_), Flag.IS_PARALLEL_CALIBRATION)
    series = run(((reference, readouts), header), AutoRecipe())
    assert error(series.pixels, _truth()) < 0.01


def test_a_siemens_scan_has_the_other_sign_here_too() -> None:
    (readouts,), header = epi(EpiScan())
    theirs = replace(readouts, samples=readouts.samples.conj())
    series = run(((theirs,), replace(header, system=replace(header.system, vendor="SIEMENS"))), AutoRecipe())
    assert error(series.pixels, _truth()) < 0.005


def test_off_resonance_moves_the_image_and_makes_no_ghost() -> None:
    scan = EpiScan()
    one_pixel_hz = 1e6 / (scan.lobe_us * HEAD.matrix.y)
    series = run(epi(replace(scan, off_resonance_hz=-one_pixel_hz)), AutoRecipe())
    moved = np.roll(_truth(), 1, axis=1)
    assert error(series.pixels, moved) < 0.01
    assert ghost_level(series.pixels, moved) < 0.005


@pytest.mark.parametrize("n_navigators", [0, 3])
def test_noise_does_not_bring_the_ghost_back(n_navigators: int) -> None:
    noisy = replace(EpiScan(), n_navigators=n_navigators, head=replace(HEAD, noise=0.02))
    straight = replace(noisy, lag_us=0.0, eddy_rad=0.0, n_navigators=3)
    ghost, floor = (ghost_level(run(epi(each), AutoRecipe()).pixels, _truth()) for each in (noisy, straight))
    assert abs(ghost - floor) < 0.005


def test_navigators_of_each_shot_correct_that_shot() -> None:
    """The eddy currents of every second repetition are others."""
    first, header = epi(EpiScan())
    second, _ = epi(replace(EpiScan(), eddy_rad=-1.0))

    def later(heads: npt.NDArray[Any]) -> None:
        heads["idx"]["repetition"] = 1

    series = run(((*first, *(relabelled(each, later) for each in second)), header), AutoRecipe())
    for repetition in range(2):
        assert error(series.pixels[2 * repetition : 2 * repetition + 2], _truth()) < 0.005


def test_the_reader_is_told_how_the_ghost_was_corrected() -> None:
    told = " ".join(straighten(*epi(EpiScan())).notes)
    assert "regridded from the timing of the gradient" in told
    assert "Nyquist ghost corrected by 6 navigators" in told
    told = " ".join(straighten(*epi(replace(EpiScan(), n_navigators=0))).notes)
    assert "by the least entropy, for want of navigators" in told


def test_an_impossible_timing_is_refused() -> None:
    readouts, header = epi(EpiScan())
    told = {**header.encodings[0].trajectory_parameters, "flatTopTime": 10.0}
    with pytest.raises(BadScan, match=r"128 samples of 2.5 us do not fit a gradient of 100 \+ 10 \+ 100 us"):
        run((readouts, encoded(header, trajectory_parameters=told)), AutoRecipe())


def test_a_channel_fewer_within_the_echo_train_is_refused() -> None:
    (readouts,), header = epi(EpiScan())
    half = np.arange(len(readouts)) < 40
    whole, rest = readouts.select(half), readouts.select(~half)
    fewer = Readouts(rest.heads, rest.samples[:, :3], rest.trajectory)
    with pytest.raises(BadScan, match=r"channels changes within the echo trains: \[3, 4\]"):
        run(((whole, fewer), header), AutoRecipe())


def test_a_trapezoid_has_equal_steps_on_its_flat_top_and_covers_the_matrix() -> None:
    k = Trapezoid(100.0, 180.0, 100.0, 30.0, 2.0, 160).positions(128)
    np.testing.assert_allclose(k, -k[::-1], atol=1e-9)
    np.testing.assert_allclose(np.diff(k)[40:119], np.diff(k)[80], rtol=1e-9)
    assert k[-1] < 64 < k[-1] + np.diff(k)[-1]
    np.testing.assert_allclose(k, EpiScan(n_samples=160, dwell_us=2.0).along_readout(lag_us=0.0), atol=1e-3)


def test_regridding_an_even_grid_is_the_inverse_fourier_transform() -> None:
    samples = random_complex(3, 64, dtype=torch.complex128)
    matrix = torch.from_numpy(regridding(np.arange(64.0) - 32, n=64))
    torch.testing.assert_close(samples @ matrix.T, inverse_fourier(samples, (-1,)), rtol=1e-4, atol=1e-4)


def test_regridding_is_exact_for_what_fits_between_the_sparsest_samples() -> None:
    k = Trapezoid(100.0, 180.0, 100.0, 30.0, 2.5, 128).positions(128)
    x = np.arange(-40, 40)
    pixels = np.random.default_rng(1).standard_normal(80)
    smooth = np.convolve(pixels, np.hanning(9), "same")
    samples = np.exp(-2j * np.pi * np.outer(k, x) / 128) @ smooth / np.sqrt(128)
    np.testing.assert_allclose((regridding(k, n=128) @ samples)[64 + x], smooth, atol=0.02 * abs(smooth).max())


@pytest.mark.parametrize("backward", [[False, True, False], [True, False, True], [False, True], [True, True, False]])
def test_the_phase_that_was_put_in_is_found(backward: list[bool]) -> None:
    x = torch.arange(64) - 32
    object_ = random_complex(4, 64) * torch.exp(-((x / 16.0) ** 2))
    phase = torch.polar(torch.ones(64), 1.3 + 0.07 * x)
    drift = 0.1 if backward[0] == backward[-1] else 0.0
    echoes = [object_ * (phase if back else 1) * complex(np.exp(1j * drift * n)) for n, back in enumerate(backward)]
    found = from_navigators(torch.stack(echoes), backward)
    assert float(found.offset) == pytest.approx(1.3, abs=1e-3)
    assert float(found.slope) == pytest.approx(0.07, abs=1e-4)


def test_the_least_entropy_is_where_the_ghost_is_gone() -> None:
    truth = torch.from_numpy(_truth()[0]).to(torch.complex64)[None]
    swapped = torch.roll(truth, 32, dims=1)
    turn = torch.polar(torch.ones(64), (0.5 + 0.05 * (torch.arange(64) - 32)) / 2)
    forward, backward = (truth + swapped) / 2 / turn, (truth - swapped) / 2 * turn
    found = from_entropy(forward, backward)
    assert float(found.offset) == pytest.approx(0.5, abs=0.02)
    assert float(found.slope) == pytest.approx(0.05, abs=0.002)
