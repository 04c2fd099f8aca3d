"""Heads that contradict the samples: where that can be seen, the scan is refused by name or placed rightly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from gateway.model.errors import BadScan
from gateway.model.header import ScanHeader, Space
from gateway.model.readout import Flag, Readouts
from gateway.model.recipes import AutoRecipe
from gateway.model.zyx import Zyx
from gateway.recon.phantom import PhantomScan, head_phantom, signal_at
from tests.recon.scans import encoded, fft, flagged, lines_of, relabelled, resampled
from tests.recon.undersampled import Scan, error, run

HEAD = PhantomScan(n_slices=1, n_coils=8, matrix=Zyx(z=1, y=64, x=64), noise=0.001, seed=1)
(WHOLE,), HEADER = head_phantom(HEAD)
TRUTH = fft(*head_phantom(replace(HEAD, noise=0.0))).pixels
REFERENCE = WHOLE.select((lines_of(WHOLE) >= 20) & (lines_of(WHOLE) < 44))

Change = Callable[[Readouts], Readouts]


def _elsewhere(*, wider: float = 1.0, taller: float = 1.0) -> Change:
    """Measure the reference over another field of view than the header says."""

    def change(reference: Readouts) -> Readouts:
        kx = (np.arange(128) - 64) / (2 * HEAD.fov_mm * wider)
        ky = (lines_of(reference).astype(float) - 32) / (HEAD.fov_mm * taller)
        signal = signal_at(HEAD, 0, *np.broadcast_arrays(ky[:, None], kx[None]))
        return resampled(reference, signal.transpose(1, 0, 2))

    return change


def _samples(change: Callable[[Any], Any], **heads: int) -> Change:
    return lambda some: resampled(some, change(some.samples), **heads)


def _with_reference(change: Change) -> Scan:
    """Measure every third line, and a reference in the same space that is told of as if it were measured alike."""
    reference = change(REFERENCE)
    reference = flagged(reference, np.ones(len(reference), np.bool_), Flag.IS_PARALLEL_CALIBRATION)
    header = encoded(HEADER, acceleration=Zyx(z=1.0, y=3.0, x=1.0), calibration_mode="separate")
    return (reference, WHOLE.select(lines_of(WHOLE) % 3 == 0)), header


RIGHT: dict[str, Change] = {
    "as it is": lambda reference: reference,
    "without oversampling": _samples(lambda each: each[..., ::2], center_sample=32),
    "without oversampling, which the dwell time tells": _samples(
        lambda each: each[..., ::2], center_sample=32, sample_time_us=10
    ),
    "of half the resolution": _samples(lambda each: each[..., 32:96], center_sample=32),
    "ten times as strong": _samples(lambda each: 10 * each),
    "noisier": _samples(lambda each: each + 0.02 * np.random.default_rng(2).standard_normal(each.shape)),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_reference_that_holds_is_taken(name: str) -> None:
    assert error(run(_with_reference(RIGHT[name]), AutoRecipe()).pixels, TRUTH) < 0.04


def test_a_reference_of_another_contrast_holds() -> None:
    strange = [1.5, 1, -2, 2, 0.5, 1, 1, 2, 0.3, 2, 0.5, 1]
    anatomy = tuple(replace(each, adds=each.adds * times) for each, times in zip(HEAD.anatomy, strange, strict=True))
    (other,), _ = head_phantom(replace(HEAD, anatomy=anatomy))
    series = run(
        _with_reference(lambda _: other.select((lines_of(other) >= 20) & (lines_of(other) < 44))), AutoRecipe()
    )
    assert error(series.pixels, TRUTH) < 0.06


WRONG: dict[str, Change] = {
    "channels in another order": _samples(lambda each: np.roll(each, 1, axis=1)),
    "two channels exchanged": _samples(lambda each: each[:, [1, 0, 2, 3, 4, 5, 6, 7]]),
    "mirrored": _samples(lambda each: each[..., ::-1]),
    "conjugated": _samples(np.conj),
    "over half the width": _elsewhere(wider=0.5),
    "over another height": _elsewhere(taller=1.3),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_reference_that_does_not_hold_is_refused(name: str) -> None:
    with pytest.raises(BadScan, match="the reference lines do not tell how the coils see the image"):
        run(_with_reference(WRONG[name]), AutoRecipe())


def _odd(change: Change) -> Readouts:
    """Change every other line."""
    odd = lines_of(WHOLE) % 2 == 1
    samples, heads = WHOLE.samples.copy(), WHOLE.heads.copy()
    changed = change(WHOLE.select(odd))
    samples[odd], heads[odd] = changed.samples, changed.heads
    return Readouts(heads, samples, WHOLE.trajectory)


def _mirrored(some: Readouts) -> Readouts:
    return resampled(some, some.samples[..., ::-1])


def _told_elsewhere(some: Readouts) -> Readouts:
    return resampled(some, some.samples, center_sample=58)


def _again(change: Change, counter: str = "segment") -> tuple[Readouts, Readouts]:
    """Measure every line once more; ``segment`` counts nothing here."""

    def count(heads: npt.NDArray[Any]) -> None:
        heads["idx"][counter] += counter == "average"

    return WHOLE, relabelled(change(WHOLE), count)


def _another_slice(_: Readouts) -> Readouts:
    (other,), _header = head_phantom(replace(HEAD, n_slices=9))
    return resampled(WHOLE, other.samples[:64])


def _masked(coils: int) -> Readouts:
    def mask(heads: npt.NDArray[Any]) -> None:
        heads["channel_mask"][:, 0] = coils

    return relabelled(WHOLE, mask)


def _matrix(header: ScanHeader, *, fov_x_mm: float) -> ScanHeader:
    image = header.encodings[0].encoded
    return encoded(header, encoded=Space(matrix=image.matrix, fov_mm=replace(image.fov_mm, x=fov_x_mm)))


REFUSED: dict[str, tuple[Callable[[], Scan], str]] = {
    "lines read backward": (lambda: ((_odd(_mirrored),), HEADER), "like mirror images of each other, as are .* more"),
    "echoes elsewhere": (lambda: ((_odd(_told_elsewhere),), HEADER), "put their centres at samples 64 and 58"),
    "another slice by the same counters": (
        lambda: (_again(_another_slice), HEADER),
        "measured again by the same counters, and is another one",
    ),
    "averages that take each other away": (
        lambda: (_again(_samples(np.negative), "average"), HEADER),
        "measured as several averages, and is another one",
    ),
    "other channels on": (
        lambda: ((_masked(0xFF), _masked(0x1FE)), HEADER),
        "other channels on than readouts before it, 8 of them",
    ),
    "half of the samples": (
        lambda: ((resampled(WHOLE, WHOLE.samples[..., ::2], center_sample=32),), HEADER),
        "no readout has more than 64 samples, the encoded matrix has 128",
    ),
    "some with half of the samples": (
        lambda: (
            (
                WHOLE.select(lines_of(WHOLE) % 2 == 0),
                _samples(lambda each: each[..., ::2], center_sample=32, sample_time_us=10)(
                    WHOLE.select(lines_of(WHOLE) % 2 == 1)
                ),
            ),
            HEADER,
        ),
        "others have more samples in the same time",
    ),
    "oversampling that is not told": (
        lambda: ((WHOLE,), _matrix(HEADER, fov_x_mm=HEAD.fov_mm)),
        "seems to leave the oversampling out",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_contradicts_its_heads_is_refused(name: str) -> None:
    broken, why = REFUSED[name]
    with pytest.raises(BadScan, match=why):
        run(broken(), AutoRecipe())


def test_repeats_and_averages_that_drift_are_averaged() -> None:
    for counter in ("segment", "average"):
        runs = _again(_samples(lambda each: each * np.exp(0.17j)), counter)
        assert error(run((runs, HEADER), AutoRecipe()).pixels, TRUTH) < 0.01


def test_noise_and_reference_may_tell_the_same_channels() -> None:
    assert error(run(((_masked(0xFF),), HEADER), AutoRecipe()).pixels, TRUTH) < 0.01
