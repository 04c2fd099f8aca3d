"""The worklist: what the dashboard shows, newest first, and what waits for a person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from gateway.jobs.queries import STUCK_DELIVERIES, STUCK_JOBS, JobView, Queries, ScanView
from gateway.model.delivery import DeliveryState
from gateway.model.job import JobState
from gateway.model.scan import ScanState


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A scan and what is made of it; a scan that arrives, or that nothing can be made of, has no job."""

    scan: ScanView
    job: JobView | None

    @property
    def since(self) -> datetime:
        """When it came to the list."""
        return self.job.created_at if self.job else self.scan.started_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Why a job goes on only when a person has decided: the job itself, or one of its deliveries."""

    state: JobState | DeliveryState
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A job that waits for a person."""

    job: JobView
    since: datetime
    waits: tuple[Wait, ...]


def newest(queries: Queries) -> list[Entry]:
    """List the newest jobs, and the newest scans that have none: a job comes with readouts, whole or not."""
    jobs = [Entry(scan=job.scan, job=job) for job in queries.jobs()]
    worked = {entry.scan.id for entry in jobs}
    without = [scan for scan in queries.scans() if scan.state is not ScanState.COMPLETE and scan.id not in worked]
    scans = [Entry(scan=scan, job=None) for scan in without]
    return sorted(jobs + scans, key=lambda entry: entry.since, reverse=True)


def to_decide(queries: Queries, limit: int, *, before: int | None = None) -> list[Decision]:
    """List the jobs that wait for a person, newest first, however old; ``before``: of lower numbers only."""
    jobs = queries.stuck(limit, before=before)
    since = queries.last_steps([job.id for job in jobs])
    return [Decision(job=job, since=since.get(job.id, job.created_at), waits=tuple(_waits(job))) for job in jobs]


def _waits(job: JobView) -> Iterator[Wait]:
    if job.state in STUCK_JOBS:
        yield Wait(state=job.state, reason=job.reason)
    for delivery in job.deliveries:
        if delivery.state in STUCK_DELIVERIES:
            yield Wait(state=delivery.state, reason=f"{delivery.destination}: {delivery.reason}")
