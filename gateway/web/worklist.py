"""The worklist: what the dashboard shows, newest first, and what waits for a person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from gateway.jobs.queries import JobView, Queries, ScanView
from gateway.model.delivery import DeliveryState
from gateway.model.job import JobState
from gateway.model.scan import ScanState

STUCK_JOBS = (JobState.HELD, JobState.FAILED, JobState.QUARANTINED)
STUCK_DELIVERIES = (DeliveryState.HELD, DeliveryState.FAILED)


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
    """A job, or one of its deliveries, that goes on only when a person has decided."""

    job: JobView
    state: JobState | DeliveryState
    reason: str


def newest(queries: Queries) -> list[Entry]:
    """List the newest jobs, and the newest scans that have none: a job comes with readouts, whole or not."""
    jobs = [Entry(scan=job.scan, job=job) for job in queries.jobs()]
    worked = {entry.scan.id for entry in jobs}
    without = [scan for scan in queries.scans() if scan.state is not ScanState.COMPLETE and scan.id not in worked]
    scans = [Entry(scan=scan, job=None) for scan in without]
    return sorted(jobs + scans, key=lambda entry: entry.since, reverse=True)


def needs_a_person(queries: Queries) -> list[Wait]:
    """List the jobs that are stuck, however old, and the newest with a delivery that is; newest first."""
    stuck = [job for state in STUCK_JOBS for job in queries.jobs(state=state)]
    finished = [job for job in queries.jobs() if job.state is JobState.DONE]
    waits = [wait for job in (*stuck, *finished) for wait in _waits(job)]
    return sorted(waits, key=lambda wait: wait.job.id, reverse=True)


def _waits(job: JobView) -> Iterator[Wait]:
    if job.state in STUCK_JOBS:
        yield Wait(job=job, state=job.state, reason=job.reason)
    for delivery in job.deliveries:
        if delivery.state in STUCK_DELIVERIES:
            yield Wait(job=job, state=delivery.state, reason=f"{delivery.destination}: {delivery.reason}")
