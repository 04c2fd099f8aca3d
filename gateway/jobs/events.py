"""Events: who did what, when and why. Rows are only ever added; they are the timeline of a job and its audit trail."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, insert

from gateway.jobs.tables import events


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of a timeline."""

    at: datetime
    scan_id: str
    job_id: int | None = None
    who: str
    what: str
    text: str = ""


def add_event(connection: Connection, event: Event) -> None:
    """Append one event in the transaction that does what it tells."""
    connection.execute(_ADD, asdict(event))


_ADD = insert(events)
