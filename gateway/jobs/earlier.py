"""Scans that ended before another one: among them is what may guide it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine, select

from gateway.jobs.database import reading
from gateway.jobs.tables import scans
from gateway.model.ids import RecordingId
from gateway.model.scan import ScanState

MOST = 1000
"""Scans that are looked at, those that ended last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierScan:
    """A whole scan that ended before."""

    scan: RecordingId
    recording: str
    """Key of the recording in the spool."""
    digest: str
    deleted: bool


class EarlierScans:
    """Read-only."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def before(self, scan: RecordingId, ended_at: datetime, *, within_h: float) -> list[EarlierScan]:
        """List the whole scans that ended before another one, the last of them first."""
        since = ended_at - timedelta(hours=within_h)
        when = (scans.c.ended_at < ended_at, scans.c.ended_at >= since, scans.c.state == ScanState.COMPLETE)
        query = select(scans).where(*when, scans.c.recording.is_not(None), scans.c.id != scan)
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(scans.c.ended_at.desc(), scans.c.id).limit(MOST))
            return [
                EarlierScan(
                    scan=RecordingId(row.id),
                    recording=row.recording,
                    digest=row.digest,
                    deleted=row.deleted_at is not None,
                )
                for row in rows
            ]
