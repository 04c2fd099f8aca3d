"""Scans in SQL: from the first header to the verdict, and the job that follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, insert, select, update

from gateway.jobs.audit import Deed, add_deed
from gateway.jobs.candidates import drop_candidates
from gateway.jobs.clock import Clock
from gateway.jobs.database import reading, writing
from gateway.jobs.events import Event, add_event
from gateway.jobs.route_versions import version_in_force
from gateway.jobs.tables import jobs, scans
from gateway.jobs.tallies import count
from gateway.model.errors import WrongCall
from gateway.model.ids import JobId, RecordingId
from gateway.model.job import JobState
from gateway.model.scan import ScanState, Seal

WHO = "listener"
AT_ONCE = 100
"""Among so many scans that began last is the one that ended last."""
LIVE_PRIORITY, REPLAY_PRIORITY = 10, 0
"""A scan on the table goes before anything that was asked for later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """How far a scan is that arrives."""

    recording: RecordingId
    n_bytes: int
    n_acquisitions: int
    bytes_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A scan that has begun to arrive."""

    recording: RecordingId
    peer: str


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

    def arriving(self, arrivals: Sequence[Arrival]) -> None:
        """Note how far scans are; no event, and nothing where a scan does not arrive any more."""
        if not arrivals:
            return
        with writing(self._engine) as connection:
            for one in arrivals:
                row = update(scans).where(scans.c.id == one.recording, scans.c.state == ScanState.RECEIVING)
                counted = {"n_bytes": one.n_bytes, "n_acquisitions": one.n_acquisitions}
                connection.execute(row.values(bytes_per_s=one.bytes_per_s, **counted))

    def finish(self, seal: Seal, key: str) -> tuple[ScanState, RecordingId | None, JobId | None]:
        """Commit a sealed recording and, where there is something new to reconstruct, its job; safe to repeat.

        Whether an incomplete scan is reconstructed is for the routes and a person to say: its job is there for them.

        Returns
        -------
            The state it was given, the scan it repeats if it does, and its job if it has one.
        """
        with writing(self._engine) as connection:
            query = select(scans.c.state, scans.c.recording).where(scans.c.id == seal.recording)
            known = connection.execute(query).one_or_none()
            if known is None:
                row = {"id": seal.recording, "state": ScanState.RECEIVING, "peer": seal.peer}
                connection.execute(insert(scans).values(started_at=seal.started_at, **row))
            elif known.recording is not None:
                return ScanState(known.state), None, None
            earlier = _same_bytes(connection, seal)
            state, verdict = _put_seal(connection, seal, key, earlier), seal.verdict
            reason = _reason(seal, earlier)
            counted = f"{verdict.n_bytes} bytes, {verdict.n_acquisitions} readouts"
            self._event(connection, seal.recording, state.value.lower(), f"{counted} {reason}".rstrip())
            count(connection, "scans", state, amount=verdict.n_bytes)
            some = state is ScanState.INCOMPLETE and verdict.n_acquisitions > 0
            if state is not ScanState.COMPLETE and not some:
                return state, earlier, None
            asked = {"recipe_asked": verdict.recipe_asked, "priority": LIVE_PRIORITY}
            return state, earlier, self._enqueue(connection, seal.recording, who=WHO, **asked)

    def replay(self, recording: RecordingId, *, recipe: str, who: str, identify: bool = False) -> JobId:
        """Make a new job of a recording; it waits behind the scans on the table. Whoever asks has seen what it lacks.

        Parameters
        ----------
        identify
            Forget whom a person has said it is of, and find out anew.

        Raises
        ------
        WrongCall
            There is nothing of it to reconstruct.
        """
        with writing(self._engine) as connection:
            scan = connection.execute(select(scans).where(scans.c.id == recording)).one_or_none()
            if scan is None or scan.recording is None or scan.n_acquisitions == 0:
                raise WrongCall(f"scan {recording} has no readouts to reconstruct")
            if scan.deleted_at is not None:
                raise WrongCall(f"the recording of scan {recording} was deleted on {scan.deleted_at:%Y-%m-%d}")
            if identify:
                drop_candidates(connection, recording)
                add_deed(connection, Deed(at=self._clock(), who=who, what=f"scans {recording} identified anew"))
            asked = {"recipe_asked": recipe or scan.recipe_asked, "priority": REPLAY_PRIORITY, "released_by": who}
            return self._enqueue(connection, recording, who=who, **asked)

    def _enqueue(self, connection: Connection, recording: RecordingId, *, who: str, **asked: object) -> JobId:
        now = self._clock()
        row = {"scan_id": recording, "state": JobState.QUEUED, "run_at": now, "created_at": now, **asked}
        row["routes_version"] = version_in_force(connection)
        job = JobId(connection.execute(insert(jobs).values(row).returning(jobs.c.id)).scalar_one())
        add_event(connection, Event(at=now, scan_id=recording, job_id=job, who=who, what="queued"))
        return job

    def settled(self, recording: RecordingId) -> bool:
        """Whether the verdict on a recording is committed."""
        with reading(self._engine) as connection:
            query = select(scans.c.id).where(scans.c.id == recording, scans.c.recording.is_not(None))
            return connection.execute(query).one_or_none() is not None

    def arriving_now(self) -> list[Arrived]:
        """Find the scans that arrive; or that a dead listener has left behind."""
        with reading(self._engine) as connection:
            query = select(scans.c.id, scans.c.peer).where(scans.c.state == ScanState.RECEIVING)
            return [Arrived(recording=RecordingId(row.id), peer=row.peer) for row in connection.execute(query)]

    def state_of(self, recording: RecordingId) -> ScanState | None:
        """Say how a scan stands; nothing where there is none."""
        with reading(self._engine) as connection:
            state = connection.execute(select(scans.c.state).where(scans.c.id == recording)).scalar()
            return None if state is None else ScanState(state)

    def note(self, recording: RecordingId, *, who: str, what: str, text: str) -> None:
        """Add a line to the timeline of a scan."""
        with writing(self._engine) as connection:
            add_event(connection, Event(at=self._clock(), scan_id=recording, who=who, what=what, text=text))

    def lost_last(self, since: datetime) -> RecordingId | None:
        """Find the scan that ended last, if that was since then and it could not be stored."""
        query = select(scans.c.id, scans.c.recording, scans.c.ended_at).where(scans.c.ended_at.is_not(None))
        with reading(self._engine) as connection:
            late = connection.execute(query.order_by(scans.c.started_at.desc()).limit(AT_ONCE)).all()
        last = max(late, key=lambda row: row.ended_at, default=None)
        if last is None or last.recording is not None or last.ended_at < since:
            return None
        return RecordingId(last.id)

    def lost(self, recording: RecordingId, reason: str) -> None:
        """Note that a scan ended without a sealed recording."""
        with writing(self._engine) as connection:
            values = {"state": ScanState.INCOMPLETE, "reason": reason, "ended_at": self._clock()}
            where = (scans.c.id == recording, scans.c.state == ScanState.RECEIVING)
            if connection.execute(update(scans).where(*where).values(values)).rowcount:
                self._event(connection, recording, "incomplete", reason)

    def _event(self, connection: Connection, recording: RecordingId, what: str, text: str) -> None:
        add_event(connection, Event(at=self._clock(), scan_id=recording, who=WHO, what=what, text=text))


def _same_bytes(connection: Connection, seal: Seal) -> RecordingId | None:
    """Find an earlier complete scan with the same bytes."""
    if seal.verdict.state is not ScanState.COMPLETE:
        return None
    query = select(scans.c.id).where(scans.c.digest == seal.digest, scans.c.state == ScanState.COMPLETE)
    found = connection.execute(query.order_by(scans.c.started_at).limit(1)).scalar()
    return None if found is None else RecordingId(found)


def _reason(seal: Seal, earlier: RecordingId | None) -> str:
    return f"same bytes as scan {earlier}" if earlier else seal.verdict.reason


def _put_seal(connection: Connection, seal: Seal, key: str, earlier: RecordingId | None) -> ScanState:
    """Write what a recording turned out to be; return the state that the scan has by it."""
    verdict = seal.verdict
    state = ScanState.DUPLICATE if earlier else verdict.state
    values = {
        "state": state,
        "reason": _reason(seal, earlier),
        "recording": key,
        "digest": seal.digest,
        "n_bytes": verdict.n_bytes,
        "n_acquisitions": verdict.n_acquisitions,
        "n_waveforms": verdict.n_waveforms,
        "recipe_asked": verdict.recipe_asked,
        "duplicate_of": earlier,
        "ended_at": seal.ended_at,
    }
    connection.execute(update(scans).where(scans.c.id == seal.recording).values(values))
    return state
