"""Control charts: seldom an alarm while nothing happens, soon one after something has."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.model.control_chart import BASELINE, Alarm, Baseline, Tolerance, alarm_of, averages, baseline

ANYTHING = Tolerance()


def first_alarm(values: list[float], known: Baseline) -> int | None:
    """Number of the first reading after the baseline that raises an alarm."""
    for n in range(1, len(values) + 1):
        if alarm_of(values[max(0, n - 100) : n], known, ANYTHING):
            return n
    return None


def test_there_is_no_baseline_before_there_are_enough_readings() -> None:
    values = list(np.random.default_rng(0).normal(10, 1, BASELINE))
    assert baseline(values[:-1], least=0) is None
    assert baseline(values, least=0) is not None


def test_the_baseline_of_normal_readings_is_their_mean_and_deviation() -> None:
    random = np.random.default_rng(1)
    found = [baseline(list(random.normal(7, 2, BASELINE)), least=0) for _ in range(400)]
    assert np.mean([one.centre for one in found if one]) == pytest.approx(7, abs=0.1)
    assert np.mean([one.sigma for one in found if one]) == pytest.approx(2, rel=0.05)


def test_one_wild_reading_in_the_baseline_does_not_widen_it() -> None:
    values = list(np.random.default_rng(2).normal(0, 1, BASELINE))
    calm = baseline(values, least=0)
    values[10] = 50.0
    wild = baseline(values, least=0)
    assert calm
    assert wild
    assert wild.sigma < 1.5 * calm.sigma


def test_the_average_follows_the_recursion_of_roberts() -> None:
    known = Baseline(centre=0, sigma=1)
    assert averages([1, 1], known) == pytest.approx([0.1, 0.19])


def test_alarms_are_as_seldom_as_the_book_says_although_the_baseline_is_an_estimate() -> None:
    """Of charts on which nothing happens one in five alarms within 100 readings: run lengths of about 500.

    Lucas and Saccucci 1990, table 3, for a known baseline; without the error of one of 30 readings half would alarm.
    """
    random, alarmed = np.random.default_rng(3), 0
    for _ in range(300):
        known = baseline(list(random.normal(5, 2, BASELINE)), least=0)
        assert known
        found, (low, high) = averages(list(random.normal(5, 2, 100)), known), known.band
        alarmed += not low <= min(found) <= max(found) <= high
    assert 0.10 < alarmed / 300 < 0.30


@pytest.mark.parametrize(("shift", "within"), [(1.0, 30), (2.0, 12), (6.0, 1)])
def test_a_shift_is_found_soon(shift: float, within: int) -> None:
    random, known = np.random.default_rng(4), Baseline(centre=0, sigma=1)
    found = [first_alarm(list(random.normal(shift, 1, 100)), known) for _ in range(20)]
    assert np.median([n or 1000 for n in found]) <= within


def test_readings_that_were_always_the_same_do_not_alarm_at_what_means_nothing() -> None:
    known = baseline([0.0] * BASELINE, least=0.01)
    assert known
    assert alarm_of([0.005], known, ANYTHING) is None
    assert alarm_of([0.1], known, ANYTHING) is Alarm.JUMP


def test_what_a_standard_forbids_is_an_alarm_before_there_is_a_baseline() -> None:
    assert alarm_of([81.0], None, Tolerance(low=82)) is Alarm.LIMIT
    assert alarm_of([83.0], None, Tolerance(low=82)) is None
