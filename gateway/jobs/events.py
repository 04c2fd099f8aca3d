"""Events: who did what, when and why. Rows are only ever added; they are the timeline of a job and its audit trail."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, insert

from gateway.jobs.tables import events


def add_event(
    connection: Connection, *, at: datetime, scan_id: str, job_id: int | None, who: str, what: str, text: str = ""
) -> None:
    """Append one event in the transaction that does what it tells."""
    connection.execute(insert(events).values(at=at, scan_id=scan_id, job_id=job_id, who=who, what=what, text=text))
