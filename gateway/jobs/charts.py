"""Control charts in SQL: each reading is kept with what it says of its chart, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, func, insert, select, update

from gateway.jobs.audit import Deed, add_deed
from gateway.jobs.chart_tables import charts, readings
from gateway.jobs.clock import Clock
from gateway.jobs.database import reading, writing
from gateway.jobs.notices import note_of_chart
from gateway.model.control_chart import BASELINE, Alarm, Baseline, alarm_of, baseline
from gateway.model.errors import NothingThere, ReasonMissing
from gateway.model.trend import QUANTITIES, Measure, Phantom, Trend

REMEMBERED = 100
"""Readings that a moving average is made of; what is older weighs nothing."""
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where readings come from."""

    scan: str
    job: int
    at: datetime
    """When the scan came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One reading."""

    at: datetime
    value: float
    job: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartView:
    """How it stands with a chart."""

    id: int
    trend: Trend
    quantity: str
    since: datetime
    """From when on readings count."""
    baseline: Baseline | None
    based_until: datetime | None
    alarm: Alarm | None
    alarm_since: datetime | None
    last_at: datetime | None
    last_value: float | None
    points: tuple[Point, ...] = ()
    """Oldest first."""

    @property
    def name(self) -> str:
        """What it is called in one line."""
        return f"{self.quantity} of {self.trend.subject}, {self.trend.protocol}, {self.trend.scanner}"

    @property
    def state(self) -> str:
        """Say how it stands, in one word."""
        return self.alarm or ("steady" if self.baseline else "learning")


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A phantom that a rule expects."""

    phantom: Phantom
    rule: str
    every_h: float


class Charts:
    """All control charts."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def put(self, trend: Trend, values: Mapping[str, float], origin: Origin) -> list[tuple[str, Alarm]]:
        """Keep what was measured, and say which alarms begin; the same scan again replaces what it said before."""
        begun = []
        with writing(self._engine) as connection:
            if trend.phantom:
                self._interval(connection, trend, origin)
            for quantity, value in values.items():
                row = _chart(connection, trend, quantity, at=origin.at)
                _keep(connection, row.id, value, origin)
                if (alarm := self._judged(connection, row, trend.tolerance(quantity), origin)) is not None:
                    begun.append((quantity, alarm))
        return begun

    def remind(self, due: list[Due]) -> None:
        """Raise an alarm for every phantom that was not scanned in time, and end those that nobody expects any more."""
        now = self._clock()
        wanted = {one.rule: one for one in due}
        with writing(self._engine) as connection:
            clocks = connection.execute(select(charts).where(charts.c.quantity == Measure.INTERVAL)).all()
            seen = {row.protocol for row in clocks if row.scanner != NOBODY}
            for row in clocks:
                one = wanted.get(row.protocol)
                unneeded = one is None or (row.scanner == NOBODY and row.protocol in seen)
                late = not unneeded and (row.last_at is None or now - row.last_at > timedelta(hours=one.every_h))  # type: ignore[union-attr]  # unneeded says so
                self._set(connection, row, Alarm.OVERDUE if late else None, job=0, at=now)
            for rule in wanted.keys() - {row.protocol for row in clocks}:
                trend = Trend.of_phantom(wanted[rule].phantom, scanner=NOBODY, rule=rule)
                row = _chart(connection, trend, Measure.INTERVAL, at=now)
                self._set(connection, row, Alarm.OVERDUE, job=0, at=now)

    def all(self) -> list[ChartView]:
        """List every chart, those with an alarm first."""
        order = (charts.c.alarm.is_(None), charts.c.scanner, charts.c.protocol, charts.c.subject, charts.c.quantity)
        with reading(self._engine) as connection:
            return [_view(row) for row in connection.execute(select(charts).order_by(*order))]

    def one(self, number: int, *, points: int = 300) -> ChartView:
        """Look up a chart with its newest readings.

        Raises
        ------
        NothingThere
            There is none of this number.
        """
        newest = select(readings).where(readings.c.chart_id == number)
        with reading(self._engine) as connection:
            row = connection.execute(select(charts).where(charts.c.id == number)).one_or_none()
            found = connection.execute(newest.order_by(readings.c.at.desc(), readings.c.id.desc()).limit(points)).all()
        if row is None:
            raise NothingThere(f"there is no chart {number}")
        return _view(row, tuple(Point(at=one.at, value=one.value, job=one.job_id) for one in reversed(found)))

    def alarms(self) -> dict[Alarm, int]:
        """Count the charts with an alarm."""
        query = select(charts.c.alarm, func.count()).where(charts.c.alarm.is_not(None)).group_by(charts.c.alarm)
        with reading(self._engine) as connection:
            return {Alarm(alarm): int(number) for alarm, number in connection.execute(query)}

    def restart(self, number: int, *, who: str, reason: str) -> None:
        """Begin a new baseline: what comes from now on is what is usual.

        Raises
        ------
        ReasonMissing
            Nobody says why.
        NothingThere
            There is no such chart.
        """
        if not reason.strip():
            raise ReasonMissing("a new baseline needs a reason")
        view, now = self.one(number, points=0), self._clock()
        fresh = {"since": now, "centre": None, "sigma": None, "based_until": None, "alarm": None, "alarm_since": None}
        with writing(self._engine) as connection:
            connection.execute(update(charts).where(charts.c.id == number).values(fresh))
            add_deed(
                connection, Deed(at=now, who=who, what=f"chart {number} begun anew", text=f"{view.quantity}: {reason}")
            )

    def _interval(self, connection: Connection, trend: Trend, origin: Origin) -> None:
        """Note how long ago the scan before was; what a replay says again, or out of order, says nothing."""
        row = _chart(connection, trend, Measure.INTERVAL, at=origin.at)
        if row.last_at is not None and origin.at <= row.last_at:
            return
        days = None if row.last_at is None else (origin.at - row.last_at).total_seconds() / DAY_S
        if days is not None:
            _keep(connection, row.id, days, origin)
        said = {"last_at": origin.at, "last_value": days}
        connection.execute(update(charts).where(charts.c.id == row.id).values(said))
        self._set(connection, row, None, job=origin.job, at=self._clock())

    def _judged(self, connection: Connection, row: Row[Any], allowed: Any, origin: Origin) -> Alarm | None:  # noqa: ANN401
        """Say what the newest reading means for its chart; return an alarm that begins."""
        known, based_until = _based(connection, row)
        newest = readings.c.at >= row.since if based_until is None else readings.c.at > based_until
        query = select(readings.c.at, readings.c.value).where(readings.c.chart_id == row.id, newest)
        found = connection.execute(query.order_by(readings.c.at.desc(), readings.c.id.desc()).limit(REMEMBERED)).all()
        if not found:
            return None
        said = {"last_at": found[0].at, "last_value": found[0].value}
        connection.execute(update(charts).where(charts.c.id == row.id).values(said))
        alarm = alarm_of([one.value for one in reversed(found)], known, allowed)
        return alarm if self._set(connection, row, alarm, job=origin.job, at=self._clock()) and alarm else None

    def _set(self, connection: Connection, row: Row[Any], alarm: Alarm | None, *, job: int, at: datetime) -> bool:
        """Change the state of a chart; people hear of what begins and of what is over."""
        if row.alarm == alarm:
            return False
        since = at if alarm else None
        connection.execute(update(charts).where(charts.c.id == row.id).values(alarm=alarm, alarm_since=since))
        if (row.alarm is None) != (alarm is None):
            note_of_chart(connection, row.id, begins=alarm is not None, job=job, at=at)
        return True


NOBODY = "any scanner"
"""Stands where no scanner has ever scanned the phantom."""


def _chart(connection: Connection, trend: Trend, quantity: str, *, at: datetime) -> Row[Any]:
    """Find a chart, or make it."""
    key = {"scanner": trend.scanner, "protocol": trend.protocol, "subject": trend.subject}
    mine = [charts.c[name] == text for name, text in key.items()]
    find = select(charts).where(*mine, charts.c.quantity == quantity)
    row = connection.execute(find).one_or_none()
    if row is None:
        made = {"quantity": quantity, "phantom": trend.phantom, "since": at}
        connection.execute(insert(charts).values(**key, **made))
        row = connection.execute(find).one()
    return row


def _keep(connection: Connection, chart: int, value: float, origin: Origin) -> None:
    connection.execute(delete(readings).where(readings.c.chart_id == chart, readings.c.scan_id == origin.scan))
    row = {"chart_id": chart, "scan_id": origin.scan, "job_id": origin.job, "at": origin.at, "value": value}
    connection.execute(insert(readings).values(row))


def _based(connection: Connection, row: Row[Any]) -> tuple[Baseline | None, datetime | None]:
    """Look up the baseline, or make it as soon as there are enough readings."""
    if row.centre is not None:
        return Baseline(centre=row.centre, sigma=row.sigma), row.based_until
    query = select(readings.c.at, readings.c.value).where(readings.c.chart_id == row.id, readings.c.at >= row.since)
    first = connection.execute(query.order_by(readings.c.at, readings.c.id).limit(BASELINE)).all()
    known = baseline([one.value for one in first], least=QUANTITIES[row.quantity].least)
    if known is None:
        return None, None
    made = {"centre": known.centre, "sigma": known.sigma, "based_until": first[-1].at}
    connection.execute(update(charts).where(charts.c.id == row.id).values(made))
    return known, first[-1].at


def _view(row: Row[Any], points: tuple[Point, ...] = ()) -> ChartView:
    phantom = None if row.phantom is None else Phantom(row.phantom)
    return ChartView(
        id=row.id,
        trend=Trend(scanner=row.scanner, protocol=row.protocol, subject=row.subject, phantom=phantom),
        quantity=row.quantity,
        since=row.since,
        baseline=None if row.centre is None else Baseline(centre=row.centre, sigma=row.sigma),
        based_until=row.based_until,
        alarm=None if row.alarm is None else Alarm(row.alarm),
        alarm_since=row.alarm_since,
        last_at=row.last_at,
        last_value=row.last_value,
        points=points,
    )
