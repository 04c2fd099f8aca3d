"""Periodic duties as a table. Timers only: what must not be lost is a row in SQL, never a timer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from apscheduler.schedulers.background import BackgroundScheduler

from gateway.jobs.deliveries import DeliveryQueue
from gateway.jobs.reconstructions import JobQueue

REAP_EVERY_S = 10


def start_schedule(duties: Mapping[str, tuple[float, Callable[[], object]]]) -> BackgroundScheduler:
    """Run each duty every so many seconds, one run at a time, late ones not made up for."""
    scheduler = BackgroundScheduler(timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1})
    for name, (every_s, duty) in duties.items():
        scheduler.add_job(duty, "interval", seconds=every_s, id=name, misfire_grace_time=None)
    scheduler.start()
    return scheduler


def duties_of(jobs: JobQueue, deliveries: DeliveryQueue) -> Mapping[str, tuple[float, Callable[[], object]]]:
    """List what has to be done again and again."""
    return MappingProxyType(
        {
            "take back the jobs of dead workers": (REAP_EVERY_S, jobs.reap),
            "take back the deliveries of dead deliverers": (REAP_EVERY_S, deliveries.reap),
        }
    )
