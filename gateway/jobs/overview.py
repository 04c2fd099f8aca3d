"""What the dashboard asks beside the lists: how much waits, who is at work, how destinations are, what a day brought.

Nothing here writes. Every answer comes from an index, and no count goes further than a person cares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, ScalarSelect, Table, bindparam, func, literal, select

from gateway.jobs.charts import Charts
from gateway.jobs.clock import Clock
from gateway.jobs.columns import Utc
from gateway.jobs.database import reading
from gateway.jobs.presence import Presence, Presences
from gateway.jobs.queries import STUCK_DELIVERIES, STUCK_JOBS
from gateway.jobs.tables import absences, deliveries, events, jobs, presences, scans
from gateway.jobs.ways import ways_out
from gateway.model.control_chart import Alarm
from gateway.model.delivery import DeliveryState
from gateway.model.ids import JobId
from gateway.model.job import JobState
from gateway.model.scan import ScanState

COUNTED = 1_000
"""Counts stop here; a page says "1000 or more"."""
HOURS = 24

ON_THE_WAY = (DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.WAITING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """How much there is of what; counts end at `COUNTED`."""

    arriving: int
    running: int
    queued: int
    stuck: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Colleague:
    """A process at work, and what it is at."""

    presence: Presence
    job: JobId | None
    progress: float
    doing: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationView:
    """How it stands with one destination."""

    name: str
    away_since: datetime | None = None
    """Since when it is left alone because nobody answers."""
    reason: str = ""
    last_arrived_at: datetime | None = None
    on_the_way: int = 0
    stuck: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """What one hour brought."""

    begins_at: datetime
    received: int
    done: int
    stuck: int
    """Jobs that failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """What changes whenever anything changes that a page shows."""

    last_event: int
    moving: tuple[tuple[object, ...], ...] = field(default=())
    """What moves without an event: progress of jobs, bytes of scans, who is there."""


class Overview:
    """Read-only views of the whole."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._presences = Presences(engine, clock)
        self._charts = Charts(engine, clock)
        self._past: tuple[datetime | None, list[Hour]] = (None, [])

    def last_event(self) -> int:
        """Say which event was the last: the cheapest sign that anything has happened."""
        with reading(self._engine) as connection:
            return int(connection.execute(_LAST_EVENT).scalar_one() or 0)

    def pulse(self) -> Pulse:
        """Feel whether anything has changed: a handful of rows, however much there is."""
        with reading(self._engine) as connection:
            last = connection.execute(_LAST_EVENT).scalar_one() or 0
            running = _in_state(connection, jobs, JobState.RUNNING, ("id", "progress", "doing"))
            arriving = _in_state(connection, scans, ScanState.RECEIVING, ("id", "n_bytes"))
            rows = [
                *running,
                *arriving,
                *connection.execute(select(presences.c.owner).order_by(presences.c.owner)),
                *connection.execute(select(absences.c.destination).order_by(absences.c.destination)),
            ]
        return Pulse(last_event=last, moving=tuple(tuple(row) for row in rows))

    def backlog(self) -> Backlog:
        """Count what there is to do."""
        with reading(self._engine) as connection:
            row = connection.execute(_BACKLOG).one()
        stuck = min(row.jobs + row.deliveries, COUNTED)
        return Backlog(arriving=row.arriving, running=row.running, queued=row.queued, stuck=stuck)

    def alarms(self) -> dict[Alarm, int]:
        """Count the control charts with an alarm, by what it is."""
        return self._charts.alarms()

    def colleagues(self) -> list[Colleague]:
        """List who is at work, and at what."""
        with reading(self._engine) as connection:
            running = _in_state(connection, jobs, JobState.RUNNING, ("owner", "id", "progress", "doing"))
            busy = {row.owner: row for row in running}
        return [
            Colleague(presence=one, job=JobId(row.id), progress=row.progress, doing=row.doing)
            if (row := busy.get(one.owner))
            else Colleague(presence=one, job=None, progress=0.0, doing="")
            for one in self._presences.all()
        ]

    def destinations(self, names: Sequence[str]) -> list[DestinationView]:
        """Say how it stands with these destinations, and with others that something is still on the way to."""
        with reading(self._engine) as connection:
            others = ways_out(connection)
            away = {row.destination: row for row in connection.execute(select(absences))}
        found = [self._destination(name, away.get(name)) for name in dict.fromkeys([*names, *others])]
        return [one for one in found if one.name in names or one.on_the_way or one.stuck]

    def _destination(self, name: str, away: Row[Any] | None) -> DestinationView:
        with reading(self._engine) as connection:
            row = connection.execute(_DESTINATION, {"name": name}).one()
        arrived = (row.stored, row.committed)
        return DestinationView(
            name=name,
            away_since=away.since if away else None,
            reason=away.reason if away else "",
            last_arrived_at=max((moment for moment in arrived if moment is not None), default=None),
            on_the_way=row.on_the_way,
            stuck=row.stuck,
        )

    def last_day(self) -> list[Hour]:
        """Count by the hour what came and what was made, oldest hour first; the last one is not over.

        Hours that are over hardly change any more: they are counted once a minute.
        """
        now = self._clock()
        this_hour, minute = now.replace(minute=0, second=0, microsecond=0), now.replace(second=0, microsecond=0)
        counted_at, past = self._past
        if counted_at != minute:
            past = [self._hour(this_hour - timedelta(hours=ago)) for ago in reversed(range(1, HOURS))]
            self._past = (minute, past)
        return [*past, self._hour(this_hour)]

    def _hour(self, begins_at: datetime) -> Hour:
        ends_at = begins_at + timedelta(hours=1)
        with reading(self._engine) as connection:
            row = connection.execute(_HOUR, {"begins": begins_at, "ends": ends_at}).one()
        return Hour(begins_at=begins_at, received=row.received, done=row.done, stuck=row.stuck)


def _in_state(connection: Connection, table: Table, state: str, names: Sequence[str]) -> Sequence[Row[Any]]:
    """Read some columns of the rows in a state that few are in.

    First their ids, which the index has: a database that believes that most rows are in each state (SQLite, after
    ANALYZE) would rather read the whole table than look the other columns up.
    """
    found = select(table.c.id).where(table.c.state == state).order_by(table.c.id).limit(COUNTED)
    ids = connection.execute(found).scalars().all()
    if not ids:
        return []
    query = select(*(table.c[name] for name in names)).where(table.c.id.in_(ids)).order_by(table.c.id)
    return connection.execute(query).all()


def _some(table: Table, states: Sequence[str], *where: ColumnElement[bool]) -> ScalarSelect[int]:
    """Count rows of some states, up to `COUNTED`, from an index."""
    some = select(table.c.id).where(table.c.state.in_(states), *where).limit(COUNTED).subquery()
    return select(func.count()).select_from(some).scalar_subquery()


def _newest(state: str) -> ScalarSelect[datetime]:
    """Find when something last came into a state at a destination, from the index."""
    columns = deliveries.c
    there = (columns.destination == bindparam("name"), columns.state == state, columns.finished_at.is_not(None))
    return select(columns.finished_at).where(*there).order_by(columns.finished_at.desc()).limit(1).scalar_subquery()


def _within(moment: ColumnElement[datetime], *where: ColumnElement[bool]) -> ScalarSelect[int]:
    """Count rows of an hour, up to `COUNTED`, from an index."""
    begins, ends = bindparam("begins", type_=Utc()), bindparam("ends", type_=Utc())
    some = select(literal(1)).where(*where, moment >= begins, moment < ends).limit(COUNTED).subquery()
    return select(func.count()).select_from(some).scalar_subquery()


# Statements that a page asks again and again: to build one takes longer than to run it.
_LAST_EVENT = select(func.max(events.c.id))
_BACKLOG = select(
    _some(scans, [ScanState.RECEIVING]).label("arriving"),
    _some(jobs, [JobState.RUNNING]).label("running"),
    _some(jobs, [JobState.QUEUED]).label("queued"),
    _some(jobs, STUCK_JOBS).label("jobs"),
    _some(deliveries, STUCK_DELIVERIES).label("deliveries"),
)
_DESTINATION = select(
    _some(deliveries, ON_THE_WAY, deliveries.c.destination == bindparam("name")).label("on_the_way"),
    _some(deliveries, STUCK_DELIVERIES, deliveries.c.destination == bindparam("name")).label("stuck"),
    _newest(DeliveryState.STORED).label("stored"),
    _newest(DeliveryState.COMMITTED).label("committed"),
)
_HOUR = select(
    _within(scans.c.started_at).label("received"),
    _within(jobs.c.finished_at, jobs.c.state == JobState.DONE).label("done"),
    _within(jobs.c.finished_at, jobs.c.state == JobState.FAILED).label("stuck"),
)
