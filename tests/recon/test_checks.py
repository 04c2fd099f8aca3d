"""Each check passes what is right, and fails what was planted to fail it; the operators are what they say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
import torch

from gateway.model.gate import Check, Grade, Measured
from gateway.model.image import ImageSeries
from gateway.model.readout import Readouts
from gateway.model.recipes import L1WaveletRecipe
from gateway.quality.ruling import assess
from gateway.recon.checks.blobs import WIDTHS_PX, blob, smoothed, standing_out
from gateway.recon.checks.coil_gains import coil_drift, line_gains
from gateway.recon.checks.encoding import OnLines
from gateway.recon.checks.evidence import Evidence
from gateway.recon.checks.lines_again import beyond_calibration
from gateway.recon.checks.recording import evidence_of
from gateway.recon.checks.rerun import drawn
from gateway.recon.checks.structure import expected_spread
from gateway.recon.checks.view import RECIPE as REFERENCE, View, views
from gateway.recon.parallel import understand
from gateway.recon.preparation import Preparation, prepared
from gateway.recon.spaces import imaged_spaces
from gateway.recon.workplace import Workplace
from tests.recon.undersampled import HEAD, Scan, run, undersampled, whole

RECIPE = L1WaveletRecipe()
NOISY = replace(HEAD, noise=0.02)
"""The patient is some thirty times as bright as the noise."""
Image = npt.NDArray[np.float32]


@cache
def scan() -> Scan:
    return undersampled(3, scan=NOISY)


@cache
def image() -> ImageSeries:
    return run(scan(), RECIPE)


@cache
def view() -> View:
    (space,) = imaged_spaces(*scan())
    with torch.inference_mode():
        found = understand(prepared(space, None)[0], REFERENCE, regular=False)
        (made,) = views(found, Workplace(device=torch.device("cpu")))
    return made


def look(pixels: Image | None = None, *, at: Scan | None = None, reruns: str = "never") -> Evidence:
    shown = image() if pixels is None else replace(image(), pixels=pixels[None].astype(np.float32))
    return evidence_of(Preparation(*(at or scan())), RECIPE, shown, device="cpu", reruns=reruns)


def grade(evidence: Evidence, check: Check) -> Grade:
    return assess(Measured(check=check, value=evidence.values.get(check))).grade


@cache
def clean() -> Evidence:
    return look(reruns="always")


def test_what_would_be_measured_and_what_it_is_brought_back_by_are_adjoint() -> None:
    random = torch.Generator().manual_seed(1)
    image_like = torch.randn(view().reference.shape, dtype=torch.complex64, generator=random)
    data_like = torch.randn(view().data.shape, dtype=torch.complex64, generator=random)
    with torch.inference_mode():
        left = (view().seen(image_like).conj() * data_like).sum()
        right = (image_like.conj() * view().back(data_like)).sum()
    assert abs(complex(left - right)) < 1e-4 * abs(complex(left))


def test_an_image_on_its_own_grid_comes_back_as_it_went() -> None:
    pixels = image().pixels
    with torch.inference_mode():
        there = view().encoded(pixels)
    np.testing.assert_allclose(there.abs().numpy() * view().scale, pixels, rtol=1e-4, atol=1e-5 * pixels.max())


@pytest.mark.parametrize("width", WIDTHS_PX)
def test_noise_alone_stands_out_by_no_more_than_noise_does(width: float) -> None:
    noise = torch.randn(64, 64, generator=torch.Generator().manual_seed(2)) * 3
    transfer = blob(noise.shape, width, noise.device)
    expected = 3 * float(transfer.square().mean()) ** 0.5
    assert float(smoothed(noise, transfer).std()) == pytest.approx(expected, rel=0.15)
    level = standing_out(noise, torch.full_like(noise, 3.0), torch.zeros_like(noise))
    assert 2 < float(level.max()) < 5.5


def test_the_noise_of_the_conventional_image_is_that_of_images_of_other_noise() -> None:
    images = []
    for seed in range(8):
        (space,) = imaged_spaces(*undersampled(3, scan=replace(NOISY, seed=100 + seed)))
        with torch.inference_mode():
            (one,) = views(
                understand(prepared(space, None)[0], REFERENCE, regular=False), Workplace(device=torch.device("cpu"))
            )
        images.append(one.reference.abs().numpy() * one.scale)
    there = view().there.numpy()
    found = np.std(images, axis=0, ddof=1)[there].mean()
    assert found == pytest.approx(float(view().deviation[view().there].mean()) * view().scale, rel=0.15)


@pytest.mark.parametrize(
    "check",
    [
        Check.CONSISTENCY,
        Check.STRUCTURE,
        Check.DETAIL,
        Check.LINES,
        Check.COILS,
        Check.SAMPLING,
        Check.HELD_OUT,
        Check.AGREEMENT,
        Check.RESPONSE,
    ],
)
def test_a_good_image_passes(check: Check) -> None:
    assert grade(clean(), check) is Grade.PASS, clean().values


def lesion(y: int, x: int, height: float) -> Image:
    rows, columns = np.mgrid[: HEAD.matrix.y, : HEAD.matrix.x]
    return np.asarray(height * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * 1.7**2)), np.float32)


@pytest.mark.parametrize("sign", [1, -1])
def test_what_was_invented_or_removed_contradicts_the_data_where_it_is(sign: int) -> None:
    deviation = clean().deviation
    assert deviation is not None
    height = sign * 5 * float(deviation[0, 40, 52])
    found = look(image().pixels[0] + lesion(40, 52, height))
    assert grade(found, Check.STRUCTURE) is Grade.FAIL, found.values
    peak = np.unravel_index(found.maps[Check.CONSISTENCY][0].argmax(), (HEAD.matrix.y, HEAD.matrix.x))
    assert np.abs(np.subtract(peak, (40, 52))).max() <= 3


def test_the_spread_of_what_is_left_is_learned_from_the_scan_whatever_a_few_places_say() -> None:
    random = torch.Generator().manual_seed(4)
    bright = torch.rand(4000, generator=random)
    true = (1 + 9 * bright.square()).sqrt()
    values = true * torch.randn(4000, generator=random)
    values[:40] = 100.0
    found = expected_spread(values, torch.stack([bright, torch.rand(4000, generator=random)], dim=1))
    assert float((found / true).median()) == pytest.approx(1, abs=0.1)
    assert float((found / true)[40:].std()) < 0.1


def test_what_is_calmer_than_noise_is_taken_to_be_half_as_noisy() -> None:
    calm = 0.01 * torch.randn(500, generator=torch.Generator().manual_seed(5))
    assert float(expected_spread(calm, torch.ones(500, 1)).min()) == pytest.approx(0.5)


def softened(width: float) -> Image:
    """The image under a Gaussian of so many pixels."""
    pixels = torch.from_numpy(image().pixels[0])
    return smoothed(pixels, blob(pixels.shape, width, pixels.device)).numpy()


def test_an_image_that_was_smoothed_over_is_found() -> None:
    soft = look(softened(0.7))
    assert grade(soft, Check.CONSISTENCY) is not Grade.PASS
    assert grade(soft, Check.DETAIL) is not Grade.PASS


def test_lost_detail_is_counted_against_the_data_and_grows_with_what_is_lost() -> None:
    values = [look(softened(width)).values[Check.DETAIL] for width in (0.3, 0.5, 0.7, 1.0)]
    assert values == sorted(values)
    assert clean().values[Check.DETAIL] < values[0]
    twice = look(2 * image().pixels[0]).values[Check.DETAIL]
    assert twice == pytest.approx(clean().values[Check.DETAIL], rel=1e-3), "brightness is arbitrary"


@pytest.mark.parametrize("kept", [1, 2])
def test_lines_that_are_fewer_than_the_header_says_are_missed(kept: int) -> None:
    (readouts,), header = scan()
    encoding = header.encodings[0]
    header = replace(header, encodings=(replace(encoding, acceleration=replace(encoding.acceleration, y=3.0)),))
    centre = np.abs(offset(readouts)) < 0.3
    y = readouts.heads["idx"]["kspace_encode_step_1"].astype(int)
    rank = np.searchsorted(np.unique(y[~centre]), y)
    thinned = [readouts.select(centre | (rank % kept == 0))], header
    found = evidence_of(Preparation(*thinned), RECIPE, run(thinned, RECIPE), device="cpu", reruns="never")
    assert found.values[Check.SAMPLING] == pytest.approx(kept, rel=0.1)
    assert grade(found, Check.SAMPLING) is (Grade.PASS if kept == 1 else Grade.FAIL)


def changed(change: Callable[[npt.NDArray[np.complex64]], None]) -> Scan:
    (readouts,), header = scan()
    samples = readouts.samples.copy()
    change(samples)
    return (Readouts(readouts.heads, samples, readouts.trajectory),), header


def test_a_spike_is_found_in_its_line() -> None:
    def spike(samples: npt.NDArray[np.complex64]) -> None:
        samples[4, :, 60] += np.abs(samples).max() * 0.5

    broken = changed(spike)
    made = run(broken, RECIPE)
    found = evidence_of(Preparation(*broken), RECIPE, made, device="cpu", reruns="never")
    assert grade(found, Check.LINES) is Grade.FAIL, found.values


def test_coils_that_change_places_are_found() -> None:
    def swap(samples: npt.NDArray[np.complex64]) -> None:
        outer = np.r_[: len(samples) // 4, 3 * len(samples) // 4 : len(samples)]
        samples[outer] = np.roll(samples[outer], 1, axis=1)

    broken = changed(swap)
    found = evidence_of(Preparation(*broken), RECIPE, run(broken, RECIPE), device="cpu", reruns="never")
    assert Grade.FAIL in {grade(found, Check.LINES), grade(found, Check.CONSISTENCY)}, found.values


def test_a_coil_that_fails_after_the_calibration_is_found() -> None:
    def fail(samples: npt.NDArray[np.complex64]) -> None:
        strongest = int(np.abs(samples).sum(axis=(0, 2)).argmax())
        samples[: len(samples) // 3, strongest] = 0
        samples[-len(samples) // 3 :, strongest] = 0

    broken = changed(fail)
    found = evidence_of(Preparation(*broken), RECIPE, run(broken, RECIPE), device="cpu", reruns="never")
    assert found.values[Check.COILS] > 1.1 * clean().values[Check.COILS]
    assert {grade(found, Check.COILS), grade(found, Check.STRUCTURE)} != {Grade.PASS}, found.values


def test_a_method_that_drops_details_does_not_respond_to_them() -> None:
    strong = L1WaveletRecipe(noise_weight=10.0)
    found = evidence_of(Preparation(*scan()), strong, run(scan(), strong), device="cpu", reruns="always")
    assert grade(found, Check.RESPONSE) is not Grade.PASS


def test_the_truth_lies_within_the_uncertainty_as_often_as_it_says() -> None:
    """Two of the guess, as without calibration, hold nine of ten pixels of the patient."""
    truth, guess = whole(HEAD)[0], clean().maps[Check.UNCERTAINTY][0]
    apart = np.abs(image().pixels[0] - truth)
    there = truth > 0.1 * truth.max()
    assert (apart <= 2 * guess)[there].mean() > 0.9


def test_a_scan_that_the_checks_do_not_understand_says_why() -> None:
    twice = replace(image(), pixels=np.repeat(image().pixels, 2, axis=0))
    found = evidence_of(Preparation(*scan()), RECIPE, twice, device="cpu")
    assert found.unchecked[Check.CONSISTENCY] == "there is not one image for each frame of the scan"
    assert found.values.keys() == {Check.CLIPPING}


def test_reruns_are_made_where_they_are_affordable() -> None:
    assert "cost too much" in look(reruns="affordable").unchecked[Check.RESPONSE]
    assert "wants none" in look(reruns="never").unchecked[Check.HELD_OUT]


def test_lines_that_are_held_out_lie_beyond_the_calibration() -> None:
    filled = np.zeros((1, 96), np.bool_)
    filled[0, ::3] = True
    filled[0, 36:60] = True
    beyond = beyond_calibration(filled, (1, 24))
    assert (beyond <= filled).all()
    assert not beyond[0, 36:60].any()
    assert drawn(beyond[0], np.random.default_rng(0)).sum() == 2


def recorded(change: Callable[[Readouts], npt.NDArray[np.complex64]]) -> Scan:
    """The scan with other samples."""
    acquisition, header = scan()
    return [replace(run, samples=change(run).astype(np.complex64)) for run in acquisition], header


def offset(run: Readouts) -> npt.NDArray[np.float64]:
    """Where each line lies: -1 to 1, the centre at 0. Shape `(readout,)`."""
    n = scan()[1].encodings[0].encoded.matrix.y
    return np.asarray((run.heads["idx"]["kspace_encode_step_1"].astype(float) - n // 2) / (n / 2))


def found_in(broken: Scan, check: Check) -> float:
    return evidence_of(Preparation(*broken), RECIPE, run(broken, RECIPE), device="cpu", reruns="never").values[check]


def test_a_patient_who_moves_between_the_halves_of_k_space_is_seen_though_no_coil_objects() -> None:
    def moved(run: Readouts) -> npt.NDArray[np.complex64]:
        at = offset(run)
        return np.asarray(run.samples * np.where(at > 0.3, np.exp(-2j * np.pi * at), 1)[:, None, None], np.complex64)

    assert look().values[Check.HALVES] < 0.4
    assert found_in(recorded(moved), Check.HALVES) > 0.7


def test_a_coil_that_drifts_with_the_lines_is_seen() -> None:
    def drifted(run: Readouts) -> npt.NDArray[np.complex64]:
        turn = np.ones(run.samples.shape[:2], complex)
        turn[:, 2] = np.exp(0.8j * np.abs(offset(run)))
        return np.asarray(run.samples * turn[:, :, None], np.complex64)

    assert found_in(recorded(drifted), Check.COILS) > 2 * look().values[Check.COILS]


def test_coils_that_all_drift_a_little_are_seen_together() -> None:
    rate = np.random.default_rng(6).standard_normal(HEAD.n_coils) * 0.5

    def drifted(run: Readouts) -> npt.NDArray[np.complex64]:
        turn = np.exp(1j * np.abs(offset(run))[:, None] * rate)
        return np.asarray(run.samples * turn[:, :, None], np.complex64)

    broken = recorded(drifted)
    made = run(broken, RECIPE).pixels[0]
    assert drift_of(broken, made) > 2 * drift_of(scan(), image().pixels[0])


def drift_of(at: Scan, pixels: Image) -> float:
    (space,) = imaged_spaces(*at)
    with torch.inference_mode():
        (one,) = views(
            understand(prepared(space, None)[0], REFERENCE, regular=False), Workplace(device=torch.device("cpu"))
        )
        return coil_drift(one, line_gains(one, one.seen(one.encoded(pixels[None]))))


def test_a_line_that_a_receiver_lost_is_seen_whatever_the_image_says() -> None:
    def lost(run: Readouts) -> npt.NDArray[np.complex64]:
        samples = run.samples.copy()
        samples[int(np.argmax(offset(run))), 3] = 0
        return samples

    assert look().values[Check.LINES] < 1.5
    assert found_in(recorded(lost), Check.LINES) > 100


def test_a_recording_is_prepared_once_whoever_asks() -> None:
    preparation = Preparation(*scan())
    (space,) = preparation.spaces
    assert preparation.of(space)[0] is preparation.of(space)[0]


def test_little_memory_at_a_time_changes_no_value() -> None:
    small = evidence_of(Preparation(*scan()), RECIPE, image(), device="cpu", memory_bytes=1 << 16, reruns="never")
    assert small.values == pytest.approx(look().values, rel=1e-3)


def test_a_quiet_scan_passes_though_coils_bring_in_what_lies_beyond_the_last_line() -> None:
    quiet = undersampled(2, scan=replace(HEAD, noise=0.0005))
    found = evidence_of(Preparation(*quiet), RECIPE, run(quiet, RECIPE), device="cpu", reruns="never")
    assert found.values[Check.LINES] < 1.75


def test_only_what_has_come_round_the_end_of_k_space_is_allowed_for() -> None:
    with torch.inference_mode():
        encoding = view().encoding
        assert isinstance(encoding, OnLines)
        flat = replace(encoding, maps=torch.ones_like(encoding.maps))
        assert float(flat.from_beyond(view().reference).max()) == pytest.approx(0, abs=1e-9)
        power, away = encoding.from_beyond(view().reference), encoding.distance[:, 0]
    assert float(power[away < 0.5].max()) == 0
    assert float(away[power.argmax()]) > 0.95
