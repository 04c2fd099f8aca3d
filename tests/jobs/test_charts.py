"""Charts in SQL: readings, baselines, alarms and who hears of them, on both databases."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import Engine

from gateway.jobs.audit import AuditTrail
from gateway.jobs.charts import NOBODY, Charts, Due, Origin
from gateway.jobs.notices import Notices
from gateway.model.control_chart import BASELINE, Alarm
from gateway.model.errors import NothingThere, ReasonMissing
from gateway.model.notice import NoticeKind
from gateway.model.trend import Measure, Phantom, Trend
from tests.jobs.conftest import TurnedClock

HEADS = Trend(scanner="MR1", protocol="t2 tra", subject="heads 1")
ACR = Trend.of_phantom(Phantom.ACR, scanner="MR1", rule="daily ACR")
DUE = Due(phantom=Phantom.ACR, rule="daily ACR", every_h=24)


class Ward:
    """Scans that come one an hour."""

    def __init__(self, engine: Engine, clock: TurnedClock) -> None:
        self.charts, self.clock, self.n = Charts(engine, clock), clock, 0

    def scan(self, value: float, trend: Trend = HEADS, quantity: str = "consistency") -> list[tuple[str, Alarm]]:
        self.n += 1
        self.clock.turn(3600)
        origin = Origin(scan=f"{self.n:032x}", job=self.n, at=self.clock())
        return self.charts.put(trend, {quantity: value}, origin)

    def learn(self, trend: Trend = HEADS, quantity: str = "consistency", centre: float = 5.0) -> None:
        for value in np.random.default_rng(0).normal(centre, 0.5, BASELINE):
            assert self.scan(float(value), trend, quantity) == []


@pytest.fixture
def ward(engine: Engine, clock: TurnedClock) -> Ward:
    return Ward(engine, clock)


def test_a_chart_learns_is_steady_and_tells_when_values_move(ward: Ward, engine: Engine, clock: TurnedClock) -> None:
    notices = Notices(engine, clock)
    notices.open("email")
    ward.learn()
    (chart,) = ward.charts.all()
    assert chart.state == "steady"
    begun = [alarm for _ in range(20) for alarm in ward.scan(5.8)]
    assert begun == [("consistency", Alarm.DRIFT)]  # told once, not at every reading
    (chart,) = ward.charts.all()
    assert (chart.state, chart.last_value) == ("drift", 5.8)
    for _ in range(60):
        ward.scan(5.0)
    assert ward.charts.all()[0].alarm is None
    told = notices.due("email")
    assert [(one.kind, one.chart) for one in told] == [(NoticeKind.ALARM, chart.id), (NoticeKind.RECOVERED, chart.id)]


def test_scanners_protocols_models_and_quantities_have_charts_of_their_own(ward: Ward) -> None:
    for trend in (HEADS, Trend(scanner="MR2", protocol="t2 tra", subject="heads 1")):
        for quantity in ("consistency", "lines"):
            ward.scan(1.0, trend, quantity)
    assert len(ward.charts.all()) == 4


def test_the_same_scan_again_replaces_what_it_said(ward: Ward) -> None:
    ward.scan(1.0)
    ward.n -= 1
    ward.scan(2.0)
    (chart,) = ward.charts.all()
    assert [point.value for point in ward.charts.one(chart.id).points] == [2.0]


def test_what_the_standard_forbids_alarms_at_once_and_ends_with_a_good_reading(ward: Ward) -> None:
    assert ward.scan(75.0, ACR, Measure.UNIFORMITY) == [("uniformity", Alarm.LIMIT)]
    assert ward.charts.alarms() == {Alarm.LIMIT: 1}
    ward.scan(92.0, ACR, Measure.UNIFORMITY)
    assert ward.charts.alarms() == {}


def test_a_phantom_that_nobody_scans_is_missed_and_a_scan_ends_it(ward: Ward, clock: TurnedClock) -> None:
    ward.charts.remind([DUE])
    (missed,) = ward.charts.all()
    assert (missed.alarm, missed.trend.scanner) == (Alarm.OVERDUE, NOBODY)
    ward.scan(92.0, ACR, Measure.UNIFORMITY)
    ward.charts.remind([DUE])
    assert ward.charts.alarms() == {}
    clock.turn(timedelta(hours=25).total_seconds())
    ward.charts.remind([DUE])
    ward.charts.remind([DUE])
    assert ward.charts.alarms() == {Alarm.OVERDUE: 1}
    ward.scan(92.0, ACR, Measure.UNIFORMITY)
    assert ward.charts.alarms() == {}
    (interval,) = [one for one in ward.charts.all() if one.quantity == Measure.INTERVAL and one.last_value]
    assert ward.charts.one(interval.id).points[0].value == pytest.approx(26 / 24)


def test_a_phantom_that_no_rule_expects_any_more_is_not_missed(ward: Ward) -> None:
    ward.charts.remind([DUE])
    ward.charts.remind([])
    assert ward.charts.alarms() == {}


def test_a_new_baseline_needs_a_reason_and_is_on_the_trail(ward: Ward, engine: Engine, clock: TurnedClock) -> None:
    ward.learn()
    ward.scan(50.0)
    (chart,) = ward.charts.all()
    assert chart.alarm is Alarm.JUMP
    with pytest.raises(ReasonMissing):
        ward.charts.restart(chart.id, who="ada", reason=" ")
    ward.charts.restart(chart.id, who="ada", reason="new coil")
    assert AuditTrail(engine, clock).newest(1)[0].deed.text == "consistency: new coil"
    ward.learn(centre=50.0)
    (chart,) = ward.charts.all()
    assert chart.baseline
    assert chart.baseline.centre == pytest.approx(50.0, abs=0.5)


def test_there_is_nothing_at_a_number_that_no_chart_has(ward: Ward) -> None:
    with pytest.raises(NothingThere, match="chart 9"):
        ward.charts.one(9)
