"""What is there now, counted for those who watch over the service; what has ended is not looked at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Engine, ScalarSelect, Table, func, select

from gateway.jobs.charts import Charts
from gateway.jobs.clock import Clock
from gateway.jobs.database import reading
from gateway.jobs.presence import Presences
from gateway.jobs.tables import absences, deliveries, jobs, scans
from gateway.jobs.tallies import Tally, all_tallies
from gateway.jobs.ways import ways_out
from gateway.model.control_chart import Alarm
from gateway.model.delivery import DeliveryState
from gateway.model.job import JobState
from gateway.model.scan import ScanState

JOBS_OPEN = tuple(state for state in JobState if state not in (JobState.DONE, JobState.CANCELLED))
DELIVERIES_OPEN = tuple(
    state for state in DeliveryState if state not in (DeliveryState.STORED, DeliveryState.COMMITTED)
)
"""States in which something is still to be done; their rows are few, and an index finds them."""

ROLES = ("listener", "worker", "deliverer")
"""Told even where nobody is at work: that is what an alarm is for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Everything that is counted, at one moment."""

    jobs: dict[str, int]
    """By state."""
    deliveries: dict[tuple[str, str], int]
    """By destination and state."""
    sessions: int
    """Scans that arrive."""
    job_waits_s: float
    """How long the oldest job waits that may run."""
    delivery_waits_s: float
    away: frozenset[str]
    """Destinations that are left alone because nobody answers."""
    processes: dict[str, int]
    """At work, by role."""
    alarms: dict[Alarm, int]
    """Control charts with an alarm, by its kind."""
    tallies: list[Tally]


class Census:
    """Counts."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._presences = Presences(engine, clock)

    def take(self) -> Counts:
        """Count."""
        by_state = select(*(_count(jobs, state).label(state) for state in JOBS_OPEN))
        arriving = select(func.count()).where(scans.c.state == ScanState.RECEIVING)
        with reading(self._engine) as connection:
            states = connection.execute(by_state).one()._mapping  # noqa: SLF001 - the row as names
            found = _by_way(connection)
            sessions = int(connection.execute(arriving).scalar_one())
            away = frozenset(connection.execute(select(absences.c.destination)).scalars())
        processes = dict.fromkeys(ROLES, 0)
        for one in self._presences.all():
            processes[one.role] = processes.get(one.role, 0) + (not one.silent)
        return Counts(
            jobs={state: int(states[state]) for state in JOBS_OPEN},
            deliveries=found,
            sessions=sessions,
            job_waits_s=self._waits_s(jobs, [JobState.QUEUED]),
            delivery_waits_s=self._waits_s(deliveries, [DeliveryState.PENDING, DeliveryState.WAITING]),
            away=away,
            processes=processes,
            alarms=dict.fromkeys(Alarm, 0) | Charts(self._engine, self._clock).alarms(),
            tallies=all_tallies(self._engine),
        )

    def _waits_s(self, table: Table, states: list[str]) -> float:
        """Say how long the oldest row waits: the first of each state, by the index."""
        firsts: list[datetime] = []
        with reading(self._engine) as connection:
            for state in states:
                query = select(table.c.created_at).where(table.c.state == state).order_by(*_order(table)).limit(1)
                firsts += connection.execute(query).scalars().all()
        return max((max(0.0, (self._clock() - first).total_seconds()) for first in firsts), default=0.0)


def _by_way(connection: Connection) -> dict[tuple[str, str], int]:
    """Count what is still to be done for each destination; nothing where there is nothing."""
    found: dict[tuple[str, str], int] = {}
    for name in ways_out(connection):
        mine = (_count(deliveries, state, deliveries.c.destination == name).label(state) for state in DELIVERIES_OPEN)
        counted = connection.execute(select(*mine)).one()._mapping  # noqa: SLF001 - the row as names
        found |= {(name, state): int(counted[state]) for state in DELIVERIES_OPEN if counted[state]}
    return found


def _count(table: Table, state: str, *where: ColumnElement[bool]) -> ScalarSelect[int]:
    """Count rows of one state; of one alone, so that every database takes its index."""
    return select(func.count()).where(table.c.state == state, *where).scalar_subquery()


def _order(table: Table) -> list[ColumnElement[object]]:
    """Order as the index does that finds what waits: jobs are as old as their numbers say."""
    return [table.c.id] if table is jobs else [table.c.priority.desc(), table.c.run_at, table.c.id]
