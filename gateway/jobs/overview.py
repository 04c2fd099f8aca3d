"""What the dashboard asks beside the lists: how much waits, who is at work, how destinations are, what a day brought.

Nothing here writes. Every answer comes from an index, and no count goes further than a person cares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, Table, bindparam, func, select, text

from gateway.jobs.clock import Clock
from gateway.jobs.columns import Utc
from gateway.jobs.database import reading
from gateway.jobs.presence import Presence, Presences
from gateway.jobs.queries import STUCK_DELIVERIES, STUCK_JOBS
from gateway.jobs.tables import absences, deliveries, events, jobs, presences, scans
from gateway.model.delivery import DeliveryState
from gateway.model.ids import JobId
from gateway.model.job import JobState
from gateway.model.scan import ScanState

COUNTED = 1_000
"""Counts stop here; a page says "1000 or more"."""
HOURS = 24

_LAST_EVENT = select(func.max(events.c.id))

ON_THE_WAY = (DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.WAITING)
ARRIVED = (DeliveryState.STORED, DeliveryState.COMMITTED)


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
        return Backlog(
            arriving=self._count(scans, [ScanState.RECEIVING]),
            running=self._count(jobs, [JobState.RUNNING]),
            queued=self._count(jobs, [JobState.QUEUED]),
            stuck=min(self._count(jobs, STUCK_JOBS) + self._count(deliveries, STUCK_DELIVERIES), COUNTED),
        )

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
        states = (*ON_THE_WAY, *STUCK_DELIVERIES)
        some = select(deliveries.c.destination).where(deliveries.c.state.in_(states)).limit(COUNTED).subquery()
        with reading(self._engine) as connection:
            others = connection.execute(select(some.c.destination).distinct()).scalars().all()
            away = {row.destination: row for row in connection.execute(select(absences))}
        return [
            DestinationView(
                name=name,
                away_since=away[name].since if name in away else None,
                reason=away[name].reason if name in away else "",
                last_arrived_at=self._last_arrival(name),
                on_the_way=self._count(deliveries, ON_THE_WAY, deliveries.c.destination == name),
                stuck=self._count(deliveries, STUCK_DELIVERIES, deliveries.c.destination == name),
            )
            for name in dict.fromkeys([*names, *sorted(others)])
        ]

    def last_day(self) -> list[Hour]:
        """Count by the hour what came and what was made, oldest hour first; the last one is not over."""
        this_hour = self._clock().replace(minute=0, second=0, microsecond=0)
        begins = [this_hour - timedelta(hours=ago) for ago in reversed(range(HOURS))]
        moments = {f"t{number}": begin for number, begin in enumerate([*begins, this_hour + timedelta(hours=1)])}
        with reading(self._engine) as connection:
            counts = [int(count) for count in connection.execute(_BY_HOUR, moments).one()]
        received, done, stuck = (counts[start : start + HOURS] for start in range(0, 3 * HOURS, HOURS))
        return [
            Hour(begins_at=begin, received=came, done=made, stuck=bad)
            for begin, came, made, bad in zip(begins, received, done, stuck, strict=True)
        ]

    def _last_arrival(self, destination: str) -> datetime | None:
        """Find when something last arrived at a destination: the newest of each state, from the index."""
        with reading(self._engine) as connection:
            found = []
            for state in ARRIVED:
                query = select(deliveries.c.finished_at).where(
                    deliveries.c.destination == destination,
                    deliveries.c.state == state,
                    deliveries.c.finished_at.is_not(None),
                )
                newest = query.order_by(deliveries.c.finished_at.desc()).limit(1)
                found.append(connection.execute(newest).scalar_one_or_none())
        return max((moment for moment in found if moment is not None), default=None)

    def _count(self, table: Table, states: Sequence[str], *where: ColumnElement[bool]) -> int:
        some = select(table.c.id).where(table.c.state.in_(states), *where).limit(COUNTED).subquery()
        with reading(self._engine) as connection:
            return int(connection.execute(select(func.count()).select_from(some)).scalar_one())


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


def _by_hour(rows: str, moment: str) -> list[str]:
    """Count rows of each hour, up to `COUNTED`, each from an index."""
    return [
        f"(SELECT count(*) FROM (SELECT 1 FROM {rows} {moment} >= :t{hour} AND {moment} < :t{hour + 1} "  # noqa: S608 - ours
        f"LIMIT {COUNTED}) AS h{hour})"
        for hour in range(HOURS)
    ]


_BY_HOUR = text(
    "SELECT "
    + ", ".join(
        [
            *_by_hour("scans WHERE", "started_at"),
            *_by_hour(f"jobs WHERE state = '{JobState.DONE}' AND", "finished_at"),
            *_by_hour(f"jobs WHERE state = '{JobState.FAILED}' AND", "finished_at"),
        ]
    )
).bindparams(*(bindparam(f"t{hour}", type_=Utc()) for hour in range(HOURS + 1)))
"""Three times twenty-four counts in one statement; as text, because building it anew takes longer than running it."""
