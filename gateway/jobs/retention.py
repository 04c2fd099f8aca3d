"""Which recordings may be deleted, and the note that they were."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Engine, exists, or_, select, update

from gateway.jobs.clock import Clock
from gateway.jobs.database import reading, writing
from gateway.jobs.events import Event, add_event
from gateway.jobs.tables import deliveries, jobs, scans
from gateway.model.delivery import DeliveryState
from gateway.model.ids import RecordingId
from gateway.model.job import JobState
from gateway.model.scan import ScanState

WHO = "retention"
ARRIVED = (DeliveryState.STORED, DeliveryState.COMMITTED)


class Retention:
    """What the clearing of the spool reads and writes."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def delivered_before(self, moment: datetime) -> list[tuple[RecordingId, str]]:
        """Find the whole scans of which everything was done and has arrived before a moment, with their keys.

        A job that waits, is held, has failed or was cancelled keeps its recording, and so does a series on its way.
        """
        of_scan = jobs.c.scan_id == scans.c.id
        its_own = deliveries.c.scan_id == scans.c.id
        late_job = or_(jobs.c.state != JobState.DONE, jobs.c.finished_at.is_(None), jobs.c.finished_at >= moment)
        late_series = or_(
            deliveries.c.state.not_in(ARRIVED), deliveries.c.finished_at.is_(None), deliveries.c.finished_at >= moment
        )
        query = select(scans.c.id, scans.c.recording).where(
            scans.c.state == ScanState.COMPLETE,
            scans.c.recording.is_not(None),
            scans.c.deleted_at.is_(None),
            exists().where(of_scan),
            ~exists().where(of_scan, late_job),
            ~exists().where(its_own, late_series),
        )
        with reading(self._engine) as connection:
            return [(RecordingId(row.id), row.recording) for row in connection.execute(query)]

    def deleted(self, recording: RecordingId, why: str) -> None:
        """Note in row and audit that a recording is gone."""
        with writing(self._engine) as connection:
            now = self._clock()
            connection.execute(update(scans).where(scans.c.id == recording).values(deleted_at=now))
            add_event(connection, Event(at=now, scan_id=recording, who=WHO, what="recording deleted", text=why))
