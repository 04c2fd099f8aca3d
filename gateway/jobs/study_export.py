"""The series of a reader study on their way to a PACS, in the order of the study."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from gateway.jobs.audit import Deed, add_deed
from gateway.jobs.route_versions import version_in_force
from gateway.jobs.scans import REPLAY_PRIORITY
from gateway.jobs.study_tables import study_images
from gateway.jobs.tables import deliveries, jobs, series
from gateway.model.delivery import DeliveryState
from gateway.model.errors import Overtaken
from gateway.model.ids import DeliveryId
from gateway.model.job import JobState


def queue_series(connection: Connection, number: int, destination: str, *, who: str, at: datetime) -> list[DeliveryId]:
    """Queue the series of a study for a destination; what was queued for it before is not again.

    Raises
    ------
    Overtaken
        Not every image is made yet, or all of them are on their way there already.
    """
    rows = connection.execute(_series_of(number)).all()
    if waiting := sum(row.state != JobState.DONE for row in rows):
        raise Overtaken(f"{waiting} images of study {number} are not made yet; see their jobs")
    if any(row.deleted_at for row in rows):
        raise Overtaken(f"study {number} was closed long ago, and its images were deleted here")
    sent: list[DeliveryId] = []
    known = select(deliveries.c.series_id).where(deliveries.c.destination == destination)
    there = set(connection.execute(known.where(deliveries.c.job_id.in_([row.job for row in rows]))).scalars())
    version = version_in_force(connection)
    for row in rows:
        if row.id in there:
            continue
        values = {"series_id": row.id, "job_id": row.job, "scan_id": row.scan_id, "destination": destination}
        values |= {"state": DeliveryState.PENDING, "priority": REPLAY_PRIORITY, "routes_version": version}
        made = insert(deliveries).values(created_at=at, run_at=at, **values).returning(deliveries.c.id)
        sent.append(DeliveryId(connection.execute(made).scalar_one()))
    if not sent:
        raise Overtaken(f"all of study {number} was queued for {destination} before")
    text = f"{len(sent)} series to {destination}, without patients and recipes"
    add_deed(connection, Deed(at=at, who=who, what=f"study {number} exported", text=text))
    return sent


def _series_of(number: int) -> Any:  # noqa: ANN401 - a statement with columns of three tables
    query = select(series.c.id, series.c.deleted_at, jobs.c.id.label("job"), jobs.c.scan_id, jobs.c.state)
    query = query.select_from(study_images)
    query = query.join(jobs, jobs.c.id == study_images.c.job_id).outerjoin(series, series.c.job_id == jobs.c.id)
    return query.where(study_images.c.study_id == number).order_by(study_images.c.number, series.c.id)
