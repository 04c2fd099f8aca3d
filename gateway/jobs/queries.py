"""What lists, timelines and pages read: nothing here writes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Engine, Row, Select, and_, func, or_, select

from gateway.jobs.candidates import candidates_of
from gateway.jobs.database import reading, reading_at_once
from gateway.jobs.joblog import LogLine, log_of
from gateway.jobs.rulings import Rulings, RulingView
from gateway.jobs.tables import deliveries, delivery_items, events, instances, jobs, scans, series
from gateway.model.delivery import DeliveryState
from gateway.model.errors import NothingThere
from gateway.model.identity import Candidate
from gateway.model.ids import DeliveryId, JobId, RecordingId
from gateway.model.job import JobState
from gateway.model.scan import ScanState

DEFAULT_LIMIT = 50
AFTER_ALL_DIGITS = "g"
"""Ids are hexadecimal; a range finds the beginning of one by the index, which LIKE does not on every database."""


STUCK_JOBS = (JobState.HELD, JobState.FAILED, JobState.QUARANTINED)
STUCK_DELIVERIES = (DeliveryState.HELD, DeliveryState.FAILED)
"""What goes on only when a person has decided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanView:
    """A scan."""

    id: RecordingId
    state: ScanState
    reason: str
    peer: str
    recording: str | None
    digest: str | None
    n_bytes: int
    n_acquisitions: int
    bytes_per_s: float
    """How fast it last came, while it is arriving."""
    facts: Mapping[str, str]
    """What the header says of scanner and protocol, never of the patient; empty until a worker has read it."""
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryView:
    """A series on its way to a destination."""

    id: DeliveryId
    destination: str
    state: DeliveryState
    reason: str
    attempt: int
    series_instance_uid: str
    description: str
    n_stored: int
    n_instances: int
    finished_at: datetime | None

    @property
    def moving(self) -> bool:
        """Whether something still happens by itself; what is stored may wait for the proof that it is kept."""
        unproven = self.state is DeliveryState.STORED and self.finished_at is None
        return unproven or self.state in (DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.WAITING)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """One line of a timeline."""

    at: datetime
    who: str
    what: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """A job with its scan and its deliveries."""

    id: JobId
    state: JobState
    reason: str
    rule: str | None
    recipe: str | None
    routes_version: int
    """Number of the routes it takes; 0 is the file, before anything was applied."""
    progress: float
    doing: str
    attempt: int
    created_at: datetime
    finished_at: datetime | None
    scan: ScanView
    deliveries: tuple[DeliveryView, ...]

    @property
    def settled(self) -> bool:
        """Whether nothing more happens by itself."""
        if self.state is not JobState.DONE:
            return self.state not in (JobState.QUEUED, JobState.RUNNING)
        return not any(delivery.moving for delivery in self.deliveries)

    @property
    def arrived(self) -> bool:
        """Whether every series is at every destination."""
        there = (DeliveryState.STORED, DeliveryState.COMMITTED)
        return bool(self.deliveries) and all(delivery.state in there for delivery in self.deliveries)


class Queries:
    """Read-only views of the database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def at_once(self) -> AbstractContextManager[None]:
        """Read everything in a block in one transaction."""
        return reading_at_once(self._engine)

    def ping(self) -> None:
        """Ask the database for anything.

        Raises
        ------
        StorageFault
            It does not answer.
        """
        with reading(self._engine) as connection:
            connection.execute(select(1)).scalar_one()

    def scans(self, limit: int = DEFAULT_LIMIT, *, before: str | None = None) -> list[ScanView]:
        """List the newest scans, or those that came before one of them.

        Raises
        ------
        NothingThere
            There is no such scan.
        """
        query = select(scans).order_by(scans.c.started_at.desc(), scans.c.id.desc()).limit(limit)
        if before is not None:
            last = self.scan(before)
            same = and_(scans.c.started_at == last.started_at, scans.c.id < last.id)
            query = query.where(or_(scans.c.started_at < last.started_at, same))
        with reading(self._engine) as connection:
            return [_scan(row) for row in connection.execute(query)]

    def scan(self, start_of_id: str) -> ScanView:
        """Find one scan by its id, or by enough of the beginning of it.

        Raises
        ------
        NothingThere
            None begins so, or several do.
        """
        with reading(self._engine) as connection:
            begins = (scans.c.id >= start_of_id, scans.c.id < start_of_id + AFTER_ALL_DIGITS)
            query = select(scans).where(*begins).limit(2)
            found = connection.execute(query).all()
        if len(found) != 1:
            how_many = "several scans begin" if found else "no scan begins"
            raise NothingThere(f"{how_many} with {start_of_id!r}")
        return _scan(found[0])

    def jobs(
        self, limit: int = DEFAULT_LIMIT, state: JobState | None = None, *, before: int | None = None
    ) -> list[JobView]:
        """List the newest jobs, or the newest with a smaller number."""
        query = _jobs_with_scans().order_by(jobs.c.id.desc()).limit(limit)
        query = query if before is None else query.where(jobs.c.id < before)
        return self._jobs(query if state is None else query.where(jobs.c.state == state))

    def jobs_of_scan(self, scan: RecordingId) -> list[JobView]:
        """List the jobs of one scan, oldest first."""
        return self._jobs(_jobs_with_scans().where(jobs.c.scan_id == scan).order_by(jobs.c.id))

    def job(self, job: int) -> JobView:
        """Find one job.

        Raises
        ------
        NothingThere
            There is none of this number.
        """
        found = self._jobs(_jobs_with_scans().where(jobs.c.id == job))
        if not found:
            raise NothingThere(f"there is no job {job}")
        return found[0]

    def stuck(self, limit: int = DEFAULT_LIMIT, *, before: int | None = None) -> list[JobView]:
        """List the jobs that wait for a person, or of which a delivery does; newest first, however old.

        Parameters
        ----------
        before
            Only jobs of lower numbers.
        """
        found = self._stuck_numbers(limit, lambda number: [number < before] if before else [], newest=True)
        return self._jobs(_jobs_with_scans().where(jobs.c.id.in_(found)).order_by(jobs.c.id.desc()))

    def stuck_beside(self, job: int) -> tuple[JobId | None, JobId | None]:
        """Find the next newer and the next older job that waits for a person."""
        newer = self._stuck_numbers(1, lambda number: [number > job], newest=False)
        older = self._stuck_numbers(1, lambda number: [number < job], newest=True)
        return (JobId(newer[0]) if newer else None, JobId(older[0]) if older else None)

    def last_steps(self, numbers: Sequence[int]) -> dict[int, datetime]:
        """Say when something last happened to each of these jobs."""
        query = select(events.c.job_id, func.max(events.c.id).label("last")).where(events.c.job_id.in_(numbers))
        last = query.group_by(events.c.job_id).subquery()
        with reading(self._engine) as connection:
            rows = connection.execute(select(events.c.job_id, events.c.at).join(last, last.c.last == events.c.id))
            return {row.job_id: row.at for row in rows}

    def log(self, job: int) -> list[LogLine]:
        """Read what was logged while a job was worked on."""
        return log_of(self._engine, job)

    def _stuck_numbers(
        self, limit: int, where: Callable[[Column[Any]], list[ColumnElement[bool]]], *, newest: bool
    ) -> list[int]:
        """Find numbers of stuck jobs at one end; one query for each state, so that each is a walk along an index."""
        found: set[int] = set()
        with reading(self._engine) as connection:
            for table, number, states in (
                (jobs, jobs.c.id, STUCK_JOBS),
                (deliveries, deliveries.c.job_id, STUCK_DELIVERIES),
            ):
                for state in states:
                    query = select(number).distinct().where(table.c.state == state, *where(number))
                    query = query.order_by(number.desc() if newest else number).limit(limit)
                    found |= set(connection.execute(query).scalars())
        return sorted(found, reverse=newest)[:limit]

    def timeline(self, job: JobView) -> list[EventView]:
        """Tell the story of a job, from the first byte of its scan on."""
        mine = (events.c.job_id == job.id) | events.c.job_id.is_(None)
        query = select(events).where(events.c.scan_id == job.scan.id, mine).order_by(events.c.id)
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
        return [EventView(at=row.at, who=row.who, what=row.what, text=row.text) for row in rows]

    def ruling(self, job: int) -> RulingView | None:
        """Look up what the gate said last of a job's images; None where it was not asked."""
        return Rulings(self._engine).of(job)

    def candidates(self, job: JobView) -> list[Candidate]:
        """List who a job's scan may be of, as long as a person has to choose. These are patients."""
        with reading(self._engine) as connection:
            return candidates_of(connection, job.scan.id)

    def instance_paths(self, job: int) -> list[str]:
        """List the files of a job below the outbox, in the order of its series and instances."""
        query = select(instances.c.path).join(series, series.c.id == instances.c.series_id)
        query = query.where(series.c.job_id == job).order_by(series.c.id, instances.c.number)
        with reading(self._engine) as connection:
            return list(connection.execute(query).scalars())

    def series_paths(self, job: int) -> list[tuple[str, list[str]]]:
        """List the series of a job: description, and files below the outbox in the order of their instances."""
        query = select(series.c.id, series.c.description, instances.c.path)
        query = query.join(instances, instances.c.series_id == series.c.id).where(series.c.job_id == job)
        found: dict[int, tuple[str, list[str]]] = {}
        with reading(self._engine) as connection:
            for row in connection.execute(query.order_by(series.c.id, instances.c.number)):
                found.setdefault(row.id, (row.description, []))[1].append(row.path)
        return list(found.values())

    def _jobs(self, query: Select[Any]) -> list[JobView]:
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
            sent = _deliveries(connection, [row.id for row in rows])
        return [_job(row, sent[row.id]) for row in rows]


_SCAN_COLUMNS = {name: getattr(scans.c, name).label(f"of_scan_{name}") for name in scans.c.keys()}  # noqa: SIM118


def _jobs_with_scans() -> Select[Any]:
    return select(jobs, *_SCAN_COLUMNS.values()).join(scans, scans.c.id == jobs.c.scan_id)


def _deliveries(connection: Connection, job_ids: Sequence[int]) -> Mapping[int, list[DeliveryView]]:
    stored = (
        select(func.count()).where(delivery_items.c.delivery_id == deliveries.c.id).scalar_subquery().label("n_stored")
    )
    whole = select(func.count()).where(instances.c.series_id == series.c.id).scalar_subquery().label("n_instances")
    query = (
        select(deliveries, series.c.series_instance_uid, series.c.description, stored, whole)
        .join(series, series.c.id == deliveries.c.series_id)
        .where(deliveries.c.job_id.in_(job_ids))
        .order_by(deliveries.c.id)
    )
    found: dict[int, list[DeliveryView]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.job_id].append(_delivery(row))
    return found


def _scan(row: Row[Any], prefix: str = "") -> ScanView:
    fields: dict[str, Any] = {name: getattr(row, prefix + name) for name in ScanView.__dataclass_fields__}
    return ScanView(**{**fields, "state": ScanState(fields["state"]), "id": RecordingId(fields["id"])})


def _delivery(row: Row[Any]) -> DeliveryView:
    fields: dict[str, Any] = {name: getattr(row, name) for name in DeliveryView.__dataclass_fields__}
    return DeliveryView(**{**fields, "state": DeliveryState(row.state), "id": DeliveryId(row.id)})


def _job(row: Row[Any], sent: Sequence[DeliveryView]) -> JobView:
    own = [name for name in JobView.__dataclass_fields__ if name not in ("scan", "deliveries")]
    fields: dict[str, Any] = {name: getattr(row, name) for name in own}
    whole: dict[str, Any] = {"state": JobState(row.state), "id": JobId(row.id)}
    return JobView(**{**fields, **whole, "scan": _scan(row, "of_scan_"), "deliveries": tuple(sent)})
