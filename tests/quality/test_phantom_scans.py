"""A cylinder is scanned day by day: each fault of the scanner moves the chart that it should, and no other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from gateway.model.control_chart import BASELINE, Tolerance, alarm_of, baseline
from gateway.model.readout import Acquisition
from gateway.model.recipes import FftRecipe
from gateway.model.trend import QUANTITIES, Measure, Phantom
from gateway.model.zyx import Zyx
from gateway.quality.phantom import measure_phantom
from gateway.recon.engine import reconstruct
from gateway.recon.phantom import Ellipsoid, PhantomScan, head_phantom

DAYS = 6
"""After the baseline, in which a fault has to be seen."""
RADIUS_MM = 95.0
SCAN = PhantomScan(
    n_slices=1,
    n_coils=4,
    matrix=Zyx(z=1, y=96, x=96),
    fov_mm=250.0,
    tilt_deg=0.0,
    center_mm=(0.0, 0.0, 0.0),
    anatomy=(Ellipsoid(1.0, (0, 0, 0), (RADIUS_MM, RADIUS_MM, 4000.0)),),
)
Change = Callable[[Acquisition], Acquisition]


def measured(scan: PhantomScan, change: Change = lambda runs: runs) -> dict[str, float]:
    acquisition, header = head_phantom(scan)
    (series,) = reconstruct(change(acquisition), header, FftRecipe(), device="cpu", progress=lambda *_: None)
    return measure_phantom(series, Phantom.UNIFORM)


@pytest.fixture(scope="module")
def usual() -> list[dict[str, float]]:
    return [measured(replace(SCAN, seed=day)) for day in range(BASELINE + DAYS)]


def alarms(usual: list[dict[str, float]], later: list[dict[str, float]]) -> set[str]:
    """Name the charts that have an alarm on any of the later days."""
    found = set()
    for name in later[0]:
        known = baseline([one[name] for one in usual], least=QUANTITIES[name].least)
        values = [one[name] for one in later]
        if any(alarm_of(values[: day + 1], known, Tolerance()) for day in range(len(values))):
            found.add(name)
    return found


def test_the_cylinder_is_as_long_as_it_is_and_nothing_is_alarming_while_nothing_happens(
    usual: list[dict[str, float]],
) -> None:
    assert usual[0][Measure.WIDTH] == pytest.approx(2 * RADIUS_MM, abs=0.3)
    assert usual[0][Measure.HEIGHT] == pytest.approx(2 * RADIUS_MM, abs=0.3)
    assert alarms(usual, usual[BASELINE:]) == set()


def ghosts(runs: Acquisition) -> Acquisition:
    """Turn every second line."""
    (run,) = runs
    odd = run.heads["idx"]["kspace_encode_step_1"] % 2 == 1
    samples = np.where(odd[:, None, None], run.samples * np.exp(0.06j), run.samples)
    return [replace(run, samples=samples.astype(np.complex64))]


def weaker_coil(runs: Acquisition) -> Acquisition:
    """Let one coil lose a fifth of its gain, its noise included."""
    (run,) = runs
    gains = np.array([0.8, 1.0, 1.0, 1.0], np.float32)
    return [replace(run, samples=run.samples * gains[:, None])]


def unchanged(runs: Acquisition) -> Acquisition:
    return runs


LONGER = (Ellipsoid(1.0, (0, 0, 0), (RADIUS_MM * 1.01, RADIUS_MM, 4000.0)),)


@pytest.mark.parametrize(
    ("scan", "change", "moved", "still"),
    [
        (replace(SCAN, noise=1.1 * SCAN.noise), unchanged, {Measure.SNR}, {Measure.WIDTH, Measure.GHOSTING}),
        (SCAN, ghosts, {Measure.GHOSTING}, {Measure.SNR, Measure.WIDTH}),
        (SCAN, weaker_coil, {Measure.UNIFORMITY}, {Measure.WIDTH, Measure.HEIGHT, Measure.GHOSTING}),
        (replace(SCAN, anatomy=LONGER), unchanged, {Measure.WIDTH, Measure.ROUNDNESS}, {Measure.HEIGHT, Measure.SNR}),
    ],
    ids=["a tenth more noise", "ghosts of 3 %", "a coil lost a fifth", "a gradient is off by 1 %"],
)
def test_a_fault_of_the_scanner_moves_its_chart_within_days(
    usual: list[dict[str, float]], scan: PhantomScan, change: Change, *, moved: set[Measure], still: set[Measure]
) -> None:
    later = [measured(replace(scan, seed=100 + day), change) for day in range(DAYS)]
    found = alarms(usual, later)
    assert found >= {each.value for each in moved}
    assert not found & {each.value for each in still}
