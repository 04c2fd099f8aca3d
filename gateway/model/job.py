"""Jobs: the states they can be in, and the only ways from one to the next."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from gateway.model.errors import IllegalTransition


class JobState(StrEnum):
    """Where a reconstruction stands."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    DONE = "DONE"
    HELD = "HELD"
    FAILED = "FAILED"
    QUARANTINED = "QUARANTINED"
    CANCELLED = "CANCELLED"


class JobEvent(StrEnum):
    """What can happen to a job."""

    CLAIM = "claimed"
    SUCCEED = "succeeded"
    POSTPONE = "postponed"
    FAIL = "failed"
    HOLD = "held"
    RELEASE = "released"
    CANCEL = "cancelled"
    RETRY = "retried"
    LEASE_EXPIRED = "lease expired"
    CRASH_AGAIN = "crashed again"


_J, _E = JobState, JobEvent

JOB_TRANSITIONS: Mapping[tuple[JobState, JobEvent], JobState] = MappingProxyType(
    {
        (_J.QUEUED, _E.CLAIM): _J.RUNNING,
        (_J.QUEUED, _E.HOLD): _J.HELD,
        (_J.QUEUED, _E.CANCEL): _J.CANCELLED,
        (_J.RUNNING, _E.SUCCEED): _J.DONE,
        (_J.RUNNING, _E.POSTPONE): _J.QUEUED,
        (_J.RUNNING, _E.FAIL): _J.FAILED,
        (_J.RUNNING, _E.HOLD): _J.HELD,
        (_J.RUNNING, _E.LEASE_EXPIRED): _J.QUEUED,
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

MAX_CRASHES = 3
"""A job whose worker died this often is quarantined."""


def next_job_state(state: JobState, event: JobEvent) -> JobState:
    """Look up the next state.

    Raises
    ------
    IllegalTransition
        The table has no such row.
    """
    try:
        return JOB_TRANSITIONS[state, event]
    except KeyError:
        raise IllegalTransition(f"a job that is {state}", event) from None
