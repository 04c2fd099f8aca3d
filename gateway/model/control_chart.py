"""Control charts: has a value moved away from where it used to be? Pure arithmetic on a row of numbers.

Each reading stands alone (no subgroups), so its spread comes from moving ranges; a slow shift is found by an
exponentially weighted moving average, a jump by the reading itself. Montgomery, Introduction to Statistical Quality
Control, 6.4 and 9.2; NIST/SEMATECH e-Handbook 6.3.2.2 and 6.3.2.4; Lucas and Saccucci 1990,
doi:10.1080/00401706.1990.10484583. A small weight keeps the chart honest where values are not normally distributed,
as the worst place of an image never is (Borror 1999, doi:10.1080/00224065.1999.11979929).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean, median

BASELINE = 30
"""Readings that say where a value lies before anything is called a drift."""
WEIGHT = 0.1
"""Of the newest reading in the moving average."""
WIDTH = 2.814
"""Of its limits, in standard deviations: with this weight one false alarm in 500 readings (Lucas and Saccucci)."""
JUMP = 4.5
"""Standard deviations by which one reading alone is an alarm; more than usual, as tails are longer than normal ones."""
FAR = 3.0
"""Standard deviations from the median from which on a reading says nothing of where a value lies."""
MEAN_RANGE = 1.128
"""Mean moving range of two readings over their standard deviation (d2)."""
MEDIAN_RANGE = 0.954
"""Median moving range over it; one wild reading does not move a median."""


class Alarm(StrEnum):
    """What is wrong with a chart."""

    DRIFT = "drift"
    """Readings have moved, little by little or by a step."""
    JUMP = "jump"
    """The last reading is far away from all that is usual."""
    LIMIT = "limit"
    """The last reading is outside of what a standard allows."""
    OVERDUE = "overdue"
    """No reading has come in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """Where a value lies as long as nothing happens."""

    centre: float
    sigma: float

    @property
    def band(self) -> tuple[float, float]:
        """Ends between which a moving average stays.

        The centre is an estimate itself: left out, half of the charts of scanners on which nothing happens would alarm
        within a hundred readings (Jones 2001, doi:10.1198/004017001750386279).
        """
        reach = WIDTH * self.sigma * (WEIGHT / (2 - WEIGHT) + 1 / BASELINE) ** 0.5
        return self.centre - reach, self.centre + reach

    @property
    def jumps(self) -> tuple[float, float]:
        """Ends between which every reading stays."""
        return self.centre - JUMP * self.sigma, self.centre + JUMP * self.sigma


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """What a standard allows; an end that is None is open."""

    low: float | None = None
    high: float | None = None

    def holds(self, value: float) -> bool:
        """Whether a value is allowed."""
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


def baseline(values: Sequence[float], *, least: float) -> Baseline | None:
    """Find where a value lies; None before there are enough readings.

    Parameters
    ----------
    values
        The first `BASELINE` readings count.
    least
        The smallest standard deviation that is believed: values that were always the same would alarm at anything.
    """
    if len(values) < BASELINE:
        return None
    first = values[:BASELINE]
    ranges = [abs(one - other) for one, other in zip(first[1:], first[:-1], strict=True)]
    usual = median(ranges) / MEDIAN_RANGE
    calm = [each for each in ranges if each <= 3.27 * MEAN_RANGE * usual] or ranges  # D4: beyond it, no usual range
    sigma, middle = max(fmean(calm) / MEAN_RANGE, least), median(first)
    near = [each for each in first if abs(each - middle) <= FAR * sigma] or first
    return Baseline(centre=fmean(near), sigma=sigma)


def averages(values: Sequence[float], known: Baseline) -> list[float]:
    """Follow the moving average through readings that come after the baseline; it begins at the centre."""
    found, last = [], known.centre
    for value in values:
        last += WEIGHT * (value - last)
        found.append(last)
    return found


def alarm_of(values: Sequence[float], known: Baseline | None, allowed: Tolerance) -> Alarm | None:
    """Say whether the last reading tells of something wrong.

    Parameters
    ----------
    values
        Readings after the baseline, oldest first; before there is a baseline, all.
    """
    if not values:
        return None
    if not allowed.holds(values[-1]):
        return Alarm.LIMIT
    if known is None:
        return None
    low, high = known.jumps
    if not low <= values[-1] <= high:
        return Alarm.JUMP
    low, high = known.band
    return None if low <= averages(values, known)[-1] <= high else Alarm.DRIFT
