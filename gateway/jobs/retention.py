"""Which recordings and which files of the outbox may be deleted, and the note that they were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from sqlalchemy import Engine, and_, exists, or_, select, update

from gateway.jobs.clock import Clock
from gateway.jobs.database import reading, writing
from gateway.jobs.events import Event, add_event
from gateway.jobs.study_tables import studies, study_images
from gateway.jobs.tables import deliveries, instances, jobs, scans, series
from gateway.model.delivery import DeliveryState
from gateway.model.ids import JobId, RecordingId, SeriesId
from gateway.model.job import JobState
from gateway.model.scan import ScanState

WHO = "retention"
ARRIVED = (DeliveryState.STORED, DeliveryState.COMMITTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class OldSeries:
    """A series that may leave the outbox."""

    series: SeriesId
    job: JobId
    scan: RecordingId
    paths: tuple[str, ...]
    """Of its files, below the outbox."""


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

    def series_delivered_before(self, moment: datetime) -> list[OldSeries]:
        """Find the series with files in the outbox that have arrived everywhere before a moment.

        What was made for a reader study stays as long as that is open, and goes after it, sent or not.
        """
        its_own = deliveries.c.series_id == series.c.id
        of_study = exists().where(study_images.c.job_id == jobs.c.id, studies.c.id == study_images.c.study_id)
        late = or_(
            deliveries.c.state.not_in(ARRIVED), deliveries.c.finished_at.is_(None), deliveries.c.finished_at >= moment
        )
        query = (
            select(series.c.id, jobs.c.id.label("job"), jobs.c.scan_id, instances.c.path)
            .join(jobs, jobs.c.id == series.c.job_id)
            .join(instances, instances.c.series_id == series.c.id)
            .where(
                series.c.deleted_at.is_(None),
                or_(exists().where(its_own), of_study),
                ~exists().where(its_own, late),
                ~of_study.where(or_(studies.c.closed_at.is_(None), studies.c.closed_at >= moment)),
            )
            .order_by(series.c.id)
        )
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
        return [
            OldSeries(
                series=SeriesId(number), job=JobId(job), scan=RecordingId(scan), paths=tuple(f.path for f in files)
            )
            for (number, job, scan), files in groupby(rows, key=lambda row: (row.id, row.job, row.scan_id))
        ]

    def done_before(self, jobs_asked: Sequence[JobId], moment: datetime) -> list[JobId]:
        """Choose the jobs that wait for nobody any more since before a moment; those that are not there, too."""
        late = or_(jobs.c.finished_at >= moment, and_(jobs.c.finished_at.is_(None), jobs.c.state != JobState.CANCELLED))
        with reading(self._engine) as connection:
            waiting = set(connection.execute(select(jobs.c.id).where(jobs.c.id.in_(jobs_asked), late)).scalars())
        return [one for one in jobs_asked if one not in waiting]

    def series_deleted(self, one: OldSeries, why: str) -> None:
        """Note in row and audit that the files of a series are gone."""
        with writing(self._engine) as connection:
            now = self._clock()
            connection.execute(update(series).where(series.c.id == one.series).values(deleted_at=now))
            text = f"{len(one.paths)} instances, {why}"
            line = Event(at=now, scan_id=one.scan, job_id=one.job, who=WHO, what="series deleted here", text=text)
            add_event(connection, line)

    def deleted(self, recording: RecordingId, why: str) -> None:
        """Note in row and audit that a recording is gone."""
        with writing(self._engine) as connection:
            now = self._clock()
            connection.execute(update(scans).where(scans.c.id == recording).values(deleted_at=now))
            add_event(connection, Event(at=now, scan_id=recording, who=WHO, what="recording deleted", text=why))
