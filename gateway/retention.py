"""Delete recordings that were delivered long ago; what is held, failed or incomplete is a person's to decide."""

from __future__ import annotations

import logging
from datetime import timedelta

from gateway.jobs.clock import Clock
from gateway.jobs.retention import Retention
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
