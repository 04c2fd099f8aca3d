"""Jobs: the states a reconstruction can be in, and the only ways from one to the next."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType

from gateway.model.work import Transitions, WorkEvent


class JobState(StrEnum):
    """Where a reconstruction stands."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    DONE = "DONE"
    HELD = "HELD"
    FAILED = "FAILED"
    QUARANTINED = "QUARANTINED"
    CANCELLED = "CANCELLED"


_J, _E = JobState, WorkEvent

JOB_TRANSITIONS: Transitions[JobState] = MappingProxyType(
    {
        (_J.QUEUED, _E.CLAIM): _J.RUNNING,
        (_J.QUEUED, _E.HOLD): _J.HELD,
        (_J.QUEUED, _E.CANCEL): _J.CANCELLED,
        (_J.RUNNING, _E.SUCCEED): _J.DONE,
        (_J.RUNNING, _E.POSTPONE): _J.QUEUED,
        (_J.RUNNING, _E.FAIL): _J.FAILED,
        (_J.RUNNING, _E.HOLD): _J.HELD,
        (_J.RUNNING, _E.LEASE_EXPIRED): _J.QUEUED,
        (_J.RUNNING, _E.INTERRUPT): _J.QUEUED,
        (_J.RUNNING, _E.CRASH_AGAIN): _J.QUARANTINED,
        (_J.RUNNING, _E.CANCEL): _J.CANCELLED,
        (_J.HELD, _E.RELEASE): _J.QUEUED,
        (_J.HELD, _E.CANCEL): _J.CANCELLED,
        (_J.FAILED, _E.RETRY): _J.QUEUED,
        (_J.FAILED, _E.CANCEL): _J.CANCELLED,
        (_J.QUARANTINED, _E.RETRY): _J.QUEUED,
        (_J.QUARANTINED, _E.CANCEL): _J.CANCELLED,
        (_J.CANCELLED, _E.RETRY): _J.QUEUED,
    }
)
