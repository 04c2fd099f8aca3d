"""Delete what was delivered long ago; what is held, failed or incomplete is a person's to decide."""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from gateway.jobs.clock import Clock
from gateway.jobs.retention import Retention
from gateway.spool.exhibits import Exhibits
from gateway.spool.spool import Spool

logger = logging.getLogger(__name__)


def retire(spool: Spool, rows: Retention, *, keep: timedelta, clock: Clock) -> int:
    """Delete what may go, files before rows, so that a death in between is made good by the next run; say how many."""
    gone = rows.delivered_before(clock() - keep)
    for recording, key in gone:
        spool.delete(key)
        rows.deleted(recording, f"delivered more than {keep.days} days ago")
        logger.info("recording deleted", extra={"scan": recording})
    return len(gone)


def clear_outbox(outbox: Path, rows: Retention, *, keep: timedelta, clock: Clock) -> int:
    """Delete the files of series that may go, files before rows; say how many series."""
    gone = rows.series_delivered_before(clock() - keep)
    for one in gone:
        for path in one.paths:
            _delete(outbox, path)
        rows.series_deleted(one, f"delivered more than {keep.days} days ago")
        logger.info("series deleted from the outbox", extra={"job": one.job, "instances": len(one.paths)})
    return len(gone)


def clear_exhibits(exhibits: Exhibits, rows: Retention, *, keep: timedelta, clock: Clock) -> int:
    """Delete the pictures of the gate that nobody will look at any more; say of how many jobs."""
    gone = rows.done_before(exhibits.old(keep.total_seconds()), clock() - keep)
    for job in gone:
        exhibits.clear(job)
        logger.info("pictures of the gate deleted", extra={"job": job})
    return len(gone)


def _delete(outbox: Path, path: str) -> None:
    """Delete a file, and the folders above it that are empty then; safe to repeat."""
    file = outbox / path
    file.unlink(missing_ok=True)
    with suppress(OSError):  # one that is not empty stays
        for folder in file.parents[: len(Path(path).parents) - 1]:
            folder.rmdir()
