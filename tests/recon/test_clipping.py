"""A receiver that overflowed leaves many samples at its largest value, which nothing else does."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from gateway.model.gate import Check, Grade, Measured
from gateway.model.readout import ACQUISITION_HEADER, Flag, Readouts
from gateway.quality.ruling import assess
from gateway.recon.checks.clipping import clipped_samples
from tests.recon.scattered import SPIRAL, SPOKES, scattered_head
from tests.recon.undersampled import undersampled

TRAJECTORIES = {"radial": SPOKES, "spiral": SPIRAL}


def noisy(readouts: Readouts, deviation: float = 0.02) -> Readouts:
    more = deviation * np.random.default_rng(1).standard_normal((*readouts.samples.shape, 2))
    return replace(readouts, samples=(readouts.samples + more.view(np.complex128)[..., 0]).astype(np.complex64))


@cache
def scan(name: str) -> Readouts:
    if name == "lines":
        (readouts,), _ = undersampled(2)
        return readouts
    return noisy(scattered_head(TRAJECTORIES[name])[0])


def overflown(readouts: Readouts, at: float, coil: int = 2) -> Readouts:
    samples = readouts.samples.copy()
    part = samples[:, coil]
    most = at * max(np.abs(part.real).max(), np.abs(part.imag).max())
    samples[:, coil] = part.real.clip(-most, most) + 1j * part.imag.clip(-most, most)
    return replace(readouts, samples=samples)


def rounded(readouts: Readouts, most: int) -> Readouts:
    """Count in steps, as a converter does."""
    step = np.abs(readouts.samples).max() / most
    whole = np.round(readouts.samples.real / step) + 1j * np.round(readouts.samples.imag / step)
    return replace(readouts, samples=whole.astype(np.complex64))


def grade(readouts: Readouts) -> Grade:
    found = clipped_samples([readouts])
    assert found is not None
    return assess(Measured(check=Check.CLIPPING, value=found[0])).grade


@pytest.mark.parametrize("name", ["lines", *TRAJECTORIES])
def test_a_coil_that_overflows_is_named_and_a_scan_of_which_none_does_passes(name: str) -> None:
    assert grade(scan(name)) is Grade.PASS
    broken = overflown(scan(name), 0.5)
    assert grade(broken) is not Grade.PASS, clipped_samples([broken])
    assert (clipped_samples([broken]) or (0, -1))[1] == 2


@pytest.mark.parametrize("most", [500, 30000])
def test_values_that_are_met_often_because_few_are_possible_are_no_wall(most: int) -> None:
    assert grade(rounded(scan("radial"), most)) is Grade.PASS
    assert grade(overflown(rounded(scan("radial"), most), 0.5)) is not Grade.PASS


def test_spokes_that_meet_in_one_value_without_noise_are_not_clipped() -> None:
    assert grade(scattered_head(SPOKES)[0]) is Grade.PASS


def test_noise_readouts_tell_nothing_and_silence_is_no_wall() -> None:
    heads = np.zeros(3, ACQUISITION_HEADER)
    silent = Readouts(heads, np.zeros((3, 2, 8), np.complex64), np.zeros((3, 8, 0), np.float32))
    assert clipped_samples([silent]) is None
    heads["flags"] = Flag.IS_NOISE_MEASUREMENT.bit
    assert clipped_samples([replace(silent, samples=silent.samples + 1)]) is None
