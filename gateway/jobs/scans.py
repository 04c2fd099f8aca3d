"""Scans in SQL: from the first header to the verdict, and the job that follows."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, Engine, insert, select, update

from gateway.jobs.clock import Clock
from gateway.jobs.database import reading, writing
from gateway.jobs.events import Event, add_event
from gateway.jobs.tables import jobs, scans
from gateway.model.ids import JobId, RecordingId
from gateway.model.job import JobState
from gateway.model.scan import ScanState, Seal

WHO = "listener"
LIVE_PRIORITY = 10
"""A scan on the table goes before anything that was asked for later."""


class ScanStore:
    """What the listener writes."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def begin(self, recording: RecordingId, *, peer: str, started_at: datetime) -> None:
        """Note that a scan is arriving."""
        with writing(self._engine) as connection:
            row = {"id": recording, "state": ScanState.RECEIVING, "peer": peer, "started_at": started_at}
            connection.execute(insert(scans).values(row))
            self._event(connection, recording, "receiving", f"from {peer}")

    def finish(self, seal: Seal, key: str) -> tuple[ScanState, RecordingId | None, JobId | None]:
        """Commit a sealed recording and, where it is complete and new, its job; safe to repeat.

        Returns
        -------
            The state it was given, the scan it repeats if it does, and its job if it has one.
        """
        with writing(self._engine) as connection:
            known = connection.execute(select(scans.c.state).where(scans.c.id == seal.recording)).scalar()
            if known is None:
                row = {"id": seal.recording, "state": ScanState.RECEIVING, "peer": seal.peer}
                connection.execute(insert(scans).values(started_at=seal.started_at, **row))
            elif known != ScanState.RECEIVING:
                return ScanState(known), None, None
            earlier = _same_bytes(connection, seal)
            verdict = seal.verdict
            state = ScanState.DUPLICATE if earlier else verdict.state
            reason = f"same bytes as scan {earlier}" if earlier else verdict.reason
            connection.execute(
                update(scans)
                .where(scans.c.id == seal.recording)
                .values(
                    state=state,
                    reason=reason,
                    recording=key,
                    sha256=seal.sha256,
                    n_bytes=verdict.n_bytes,
                    n_acquisitions=verdict.n_acquisitions,
                    n_waveforms=verdict.n_waveforms,
                    recipe_asked=verdict.recipe_asked,
                    duplicate_of=earlier,
                    ended_at=seal.ended_at,
                )
            )
            counted = f"{verdict.n_bytes} bytes, {verdict.n_acquisitions} readouts"
            self._event(connection, seal.recording, state.value.lower(), f"{counted} {reason}".rstrip())
            job = self._enqueue(connection, seal) if state is ScanState.COMPLETE else None
            return state, earlier, job

    def _enqueue(self, connection: Connection, seal: Seal) -> JobId:
        now = self._clock()
        row = {
            "scan_id": seal.recording,
            "state": JobState.QUEUED,
            "priority": LIVE_PRIORITY,
            "recipe_asked": seal.verdict.recipe_asked,
            "run_at": now,
            "created_at": now,
        }
        job = JobId(connection.execute(insert(jobs).values(row).returning(jobs.c.id)).scalar_one())
        add_event(connection, Event(at=now, scan_id=seal.recording, job_id=job, who=WHO, what="queued"))
        return job

    def receiving(self) -> list[RecordingId]:
        """Find the scans that a dead listener has left behind."""
        with reading(self._engine) as connection:
            query = select(scans.c.id).where(scans.c.state == ScanState.RECEIVING)
            return [RecordingId(row) for row in connection.execute(query).scalars()]

    def lost(self, recording: RecordingId) -> None:
        """Note that nothing of a scan reached the disk before the listener died."""
        with writing(self._engine) as connection:
            reason = "the listener died before anything was on disk"
            values = {"state": ScanState.INCOMPLETE, "reason": reason, "ended_at": self._clock()}
            where = (scans.c.id == recording, scans.c.state == ScanState.RECEIVING)
            connection.execute(update(scans).where(*where).values(values))
            self._event(connection, recording, "incomplete", reason)

    def _event(self, connection: Connection, recording: RecordingId, what: str, text: str) -> None:
        add_event(connection, Event(at=self._clock(), scan_id=recording, who=WHO, what=what, text=text))


def _same_bytes(connection: Connection, seal: Seal) -> RecordingId | None:
    """Find an earlier complete scan with the same bytes."""
    if seal.verdict.state is not ScanState.COMPLETE:
        return None
    query = select(scans.c.id).where(scans.c.sha256 == seal.sha256, scans.c.state == ScanState.COMPLETE)
    found = connection.execute(query.order_by(scans.c.started_at).limit(1)).scalar()
    return None if found is None else RecordingId(found)
