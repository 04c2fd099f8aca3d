"""Periodic duties as a table. Timers only: what must not be lost is a row in SQL, never a timer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from apscheduler.schedulers.background import BackgroundScheduler

from gateway.jobs.deliveries import DeliveryQueue
from gateway.jobs.reconstructions import JobQueue
from gateway.spool.headstarts import Headstarts
from gateway.spool.replies import Replies
from gateway.spool.spool import Spool
from gateway.watch import WatchFolder

REAP_EVERY_S = 10
WARN_EVERY_S = 60
DELETE_EVERY_S = 3600
REMIND_EVERY_S = 600
WATCH_EVERY_S = 2
REPLY_LASTS_S = 24 * 3600
"""Longer than any sender waits."""
HEADSTART_LASTS_S = 24 * 3600
"""Longer than any scan takes; its job may wait for longer, and makes its images then."""

logger = logging.getLogger(__name__)


def start_schedule(duties: Mapping[str, tuple[float, Callable[[], object]]]) -> BackgroundScheduler:
    """Run each duty every so many seconds, one run at a time, late ones not made up for."""
    scheduler = BackgroundScheduler(timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1})
    for name, (every_s, duty) in duties.items():
        scheduler.add_job(duty, "interval", seconds=every_s, id=name, misfire_grace_time=None)
    scheduler.start()
    return scheduler


def duties_of(
    jobs: JobQueue, deliveries: DeliveryQueue, replies: Replies, headstarts: Headstarts
) -> Mapping[str, tuple[float, Callable[[], object]]]:
    """List what has to be done again and again."""
    return MappingProxyType(
        {
            "take back the jobs of dead workers": (REAP_EVERY_S, jobs.reap),
            "take back the deliveries of dead deliverers": (REAP_EVERY_S, deliveries.reap),
            "delete images that no sender has waited for": (DELETE_EVERY_S, partial(replies.clear, REPLY_LASTS_S)),
            "delete images made ahead that no job has taken": (
                DELETE_EVERY_S,
                partial(headstarts.clear, HEADSTART_LASTS_S),
            ),
        }
    )


def housekeeping(
    spool: Spool, *, deletions: Mapping[str, Callable[[], object]], watch: WatchFolder | None
) -> Mapping[str, tuple[float, Callable[[], object]]]:
    """List what keeps room on the disk, and takes scans that come as files."""
    duties: dict[str, tuple[float, Callable[[], object]]] = {
        "warn before the disk is full": (WARN_EVERY_S, partial(_warn, spool)),
        **{name: (DELETE_EVERY_S, delete) for name, delete in deletions.items()},
    }
    if watch is not None:
        duties["take scans from the watch folder"] = (WATCH_EVERY_S, watch.look)
    return MappingProxyType(duties)


def _warn(spool: Spool) -> None:
    if spool.is_scarce():
        logger.warning("the disk of the recordings is getting full", extra={"percent": round(spool.used_percent())})
