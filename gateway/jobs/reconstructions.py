"""The queue of reconstructions: what a recon worker claims, tells and leaves behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, bindparam, insert, select, update

from gateway.jobs.audit import Deed, add_deed
from gateway.jobs.candidates import add_candidates, choose_candidate, chosen_of, put_candidates
from gateway.jobs.charts import Charts
from gateway.jobs.clock import Clock
from gateway.jobs.database import lending, reading, writing
from gateway.jobs.earlier import EarlierScans
from gateway.jobs.lease import Lease, Terms, write_fenced
from gateway.jobs.queue import Will, WorkQueue
from gateway.jobs.rulings import Rulings, Word, decide, put_ruling
from gateway.jobs.tables import deliveries, instances, jobs, scans, series
from gateway.model.delivery import DeliveryState
from gateway.model.errors import ReasonMissing
from gateway.model.gate import Decision, Ruling
from gateway.model.identity import Candidate
from gateway.model.ids import JobId, RecordingId, SeriesId
from gateway.model.job import JOB_TRANSITIONS, JobState
from gateway.model.scan import ScanState
from gateway.model.series import Series
from gateway.model.work import WorkEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedJob:
    """A job that is ours until its lease ends."""

    lease: Lease
    job: JobId
    scan: RecordingId
    recording: str
    """Key of the recording in the spool."""
    digest: str
    peer: str
    recipe_asked: str
    received_at: datetime
    routes_version: int
    """In force when it was queued, or when a person last let it run."""
    incomplete: str
    """Why the scan is not whole; empty where it is, and where a person has released it nevertheless."""
    complete: bool
    """Whether it is, whatever a person has said."""


REVIEWED = {
    Decision.ACCEPT: "images accepted",
    Decision.REPLACE: "images to be replaced by the conventional ones",
    Decision.REJECT: "images rejected",
}


GATE = "quality gate"
"""Whose rulings stand on the audit trail beside what people did."""


_SCAN = select(scans).where(scans.c.id == bindparam("scan"))


class JobQueue(WorkQueue[JobState]):
    """Reconstructions."""

    def __init__(self, engine: Engine, clock: Clock, terms: Terms) -> None:
        super().__init__(engine, clock, table=jobs, transitions=JOB_TRANSITIONS, terms=terms)
        self.rulings = Rulings(engine)
        self.charts = Charts(engine, clock)
        self.earlier = EarlierScans(engine)

    def claim(self, owner: str) -> ClaimedJob | None:
        """Claim the next job that is due."""
        with lending(self.engine) as connection:
            claimed = self.claim_row(connection, owner)
            if claimed is None:
                return None
            lease, row = claimed
            scan = connection.execute(_SCAN, {"scan": row.scan_id}).one()
            return ClaimedJob(
                lease=lease,
                job=JobId(row.id),
                scan=RecordingId(scan.id),
                recording=scan.recording,
                digest=scan.digest,
                peer=scan.peer,
                recipe_asked=row.recipe_asked,
                received_at=scan.ended_at,
                routes_version=row.routes_version,
                complete=scan.state == ScanState.COMPLETE,
                incomplete=scan.reason if scan.state == ScanState.INCOMPLETE and row.released_by is None else "",
            )

    def progress(self, lease: Lease, fraction: float, doing: str) -> None:
        """Show how far a job is; no event, and it renews the lease.

        Raises
        ------
        LostLease
            Somebody else has the job, or a person has stopped it.
        """
        with lending(self.engine) as connection:
            until = self.terms.lease_end(self.clock())
            write_fenced(connection, jobs, lease, progress=fraction, doing=doing, lease_until=until)

    def describe(self, claimed: ClaimedJob, facts: Mapping[str, str]) -> None:
        """Keep what lists and pages show of a scan's header; never who the patient is."""
        with writing(self.engine) as connection:
            connection.execute(update(scans).where(scans.c.id == claimed.scan).values(facts=dict(facts)))

    def incomplete(self, claimed: ClaimedJob, reason: str) -> None:
        """Note what the counters of a scan have shown to be missing."""
        with writing(self.engine) as connection:
            values = {"state": ScanState.INCOMPLETE, "reason": reason}
            connection.execute(update(scans).where(scans.c.id == claimed.scan).values(values))

    def routed(self, lease: Lease, *, rule: str, recipe: str, why: str) -> None:
        """Note which rule and recipe the job takes."""
        with writing(self.engine) as connection:
            write_fenced(connection, jobs, lease, rule=rule, recipe=recipe)
            self._event(connection, self._row(connection, lease.row), "routed", who=lease.owner, text=why)

    def asking(self, claimed: ClaimedJob, name: str) -> None:
        """Put on the audit trail that a PACS or a worklist is asked whose scan it is."""
        with writing(self.engine) as connection:
            text = f"{name}: whose scan job {claimed.job} is"
            add_deed(connection, Deed(at=self.clock(), who=claimed.lease.owner, what="query", text=text))

    def propose(self, claimed: ClaimedJob, found: Sequence[Candidate]) -> None:
        """Keep who the scan may be of, for a person to choose."""
        with writing(self.engine) as connection:
            write_fenced(connection, jobs, claimed.lease, owner=claimed.lease.owner)
            put_candidates(connection, claimed.scan, found, at=self.clock())

    def chosen(self, scan: RecordingId) -> Candidate | None:
        """Find who a person has said that a scan is of."""
        with reading(self.engine) as connection:
            return chosen_of(connection, scan)

    def choose(self, job: int, start_of_key: str, *, who: str, reason: str = "") -> Candidate:
        """Say who a held job's scan is of, by the key of a candidate or the beginning of it, and let the job run.

        It counts for every later job of the scan, too.

        Raises
        ------
        WrongCall
            There is no such job, or not exactly one such candidate.
        IllegalTransition
            The job is not held.
        """
        with writing(self.engine) as connection:
            row, now = self._row(connection, job, lock=True), self.clock()
            one = choose_candidate(connection, row.scan_id, start_of_key, who=who, at=now)
            text = f"identity {one.key} of {one.source}{f': {reason}' if reason else ''}"
            self._act(connection, job, Will(event=WorkEvent.RELEASE, who=who, reason=text))
            return one

    def ruled(self, lease: Lease, ruling: Ruling) -> None:
        """Keep what the gate says of the images, before they leave or are held; verdict and numbers are audited."""
        with writing(self.engine) as connection:
            write_fenced(connection, jobs, lease, owner=lease.owner)
            now, judged = self.clock(), f"jobs {lease.row} judged: {ruling.action}"
            put_ruling(connection, JobId(lease.row), ruling, at=now)
            add_deed(connection, Deed(at=now, who=GATE, what=judged, text=ruling.sealed))

    def review(self, job: int, decision: Decision, *, who: str, reason: str) -> JobState:
        """Say what becomes of images that the gate has held; what is not rejected is made again, and then sent so.

        Raises
        ------
        WrongCall
            There is no such job, no reason is given, or nothing of it waits for a review.
        IllegalTransition
            The job is not held.
        """
        if not reason.strip():
            raise ReasonMissing("a review needs a reason")
        event = WorkEvent.CANCEL if decision is Decision.REJECT else WorkEvent.RELEASE
        with writing(self.engine) as connection:
            state = self._act(connection, job, Will(event=event, who=who, reason=f"{REVIEWED[decision]}: {reason}"))
            decide(connection, job, Word(decision=decision, who=who, reason=reason), at=self.clock())
            return state

    def offer(self, job: int, found: Sequence[Candidate], *, who: str) -> None:
        """Add candidates that a person has looked for."""
        with writing(self.engine) as connection:
            row, now = self._row(connection, job), self.clock()
            add_candidates(connection, row.scan_id, found, at=now)
            self._event(connection, row, "candidates looked for", who=who, text=f"{len(found)} found")

    def succeed(
        self, claimed: ClaimedJob, made: Sequence[Series], destinations: Sequence[str], *, priority: int = 0
    ) -> None:
        """Commit the outbox: series, their instances with hashes, a delivery for each destination of a series."""
        with writing(self.engine) as connection:
            self._end(connection, claimed.lease, WorkEvent.SUCCEED, progress=1.0, doing="")
            for one in made:
                series_id = _insert_series(connection, claimed.job, one)
                for destination in one.destinations or destinations:
                    row = {"series_id": series_id, "job_id": claimed.job, "scan_id": claimed.scan}
                    row |= {"destination": destination, "state": DeliveryState.PENDING, "priority": priority}
                    row |= {"routes_version": claimed.routes_version}
                    now = self.clock()
                    connection.execute(insert(deliveries).values(created_at=now, run_at=now, **row))


def _insert_series(connection: Connection, job: JobId, made: Series) -> SeriesId:
    row = {
        "job_id": job,
        "study_instance_uid": made.study_instance_uid,
        "series_instance_uid": made.series_instance_uid,
        "description": made.description,
    }
    series_id = SeriesId(connection.execute(insert(series).values(row).returning(series.c.id)).scalar_one())
    rows = [
        {
            "series_id": series_id,
            "number": instance.number,
            "sop_class_uid": instance.sop_class_uid,
            "sop_instance_uid": instance.sop_instance_uid,
            "path": instance.path,
            "sha256": instance.sha256,
            "n_bytes": instance.n_bytes,
        }
        for instance in made.instances
    ]
    connection.execute(insert(instances), rows)
    return series_id
