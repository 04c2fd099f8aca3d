"""What the dashboard asks beside the lists: how much waits, who is at work, how destinations are, what a day brought.

Nothing here writes. Every answer comes from an index, and no count goes further than a person cares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Engine, Table, func, select

from gateway.jobs.clock import Clock
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
    """Jobs that failed or were put aside."""


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

    def pulse(self) -> Pulse:
        """Feel whether anything has changed: a handful of rows, however much there is."""
        running = select(jobs.c.id, jobs.c.progress, jobs.c.doing).where(jobs.c.state == JobState.RUNNING)
        arriving = select(scans.c.id, scans.c.n_bytes).where(scans.c.state == ScanState.RECEIVING)
        with reading(self._engine) as connection:
            last = connection.execute(select(func.max(events.c.id))).scalar_one() or 0
            rows = [
                *connection.execute(running.order_by(jobs.c.id)),
                *connection.execute(arriving.order_by(scans.c.id)),
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
        query = select(jobs.c.owner, jobs.c.id, jobs.c.progress, jobs.c.doing).where(jobs.c.state == JobState.RUNNING)
        with reading(self._engine) as connection:
            busy = {row.owner: row for row in connection.execute(query)}
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
        received = self._by_hour(begins, scans, "started_at", None)
        done = self._by_hour(begins, jobs, "finished_at", [JobState.DONE])
        stuck = self._by_hour(begins, jobs, "finished_at", [JobState.FAILED, JobState.QUARANTINED])
        return [
            Hour(begins_at=begin, received=came, done=made, stuck=bad)
            for begin, came, made, bad in zip(begins, received, done, stuck, strict=True)
        ]

    def _by_hour(
        self, begins: Sequence[datetime], table: Table, moment: str, states: Sequence[str] | None
    ) -> list[int]:
        """Count rows of each hour: one query, each count from the index."""
        when = table.c[moment]
        counts = []
        for begin in begins:
            count = select(func.count()).where(when >= begin, when < begin + timedelta(hours=1))
            counts.append((count if states is None else count.where(table.c.state.in_(states))).scalar_subquery())
        with reading(self._engine) as connection:
            return [int(count) for count in connection.execute(select(*counts)).one()]

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
