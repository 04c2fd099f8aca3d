"""What can happen to a piece of durable work, whichever it is."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias, TypeVar

from gateway.model.errors import IllegalTransition

State = TypeVar("State", bound=StrEnum)


class WorkEvent(StrEnum):
    """The event that a transition table is asked about; the value is how the timeline calls it."""

    CLAIM = "claimed"
    SUCCEED = "succeeded"
    COMMIT = "committed"
    POSTPONE = "postponed"
    FAIL = "failed"
    HOLD = "held"
    RELEASE = "released"
    CANCEL = "cancelled"
    RETRY = "retried"
    RESEND = "sent again"
    LEASE_EXPIRED = "lease expired"
    INTERRUPT = "interrupted"
    CRASH_AGAIN = "crashed again"


DEEDS: Mapping[str, WorkEvent] = MappingProxyType(
    {
        event.name.lower(): event
        for event in (WorkEvent.RETRY, WorkEvent.HOLD, WorkEvent.RELEASE, WorkEvent.CANCEL, WorkEvent.RESEND)
    }
)
"""What a person may do, by the word for it; what a state does not allow is refused by its table."""

Transitions: TypeAlias = Mapping[tuple[State, WorkEvent], State]
"""The only ways from one state to the next."""


def next_state(transitions: Transitions[State], state: State, event: WorkEvent) -> State:
    """Look up where an event leads.

    Raises
    ------
    IllegalTransition
        The table has no such row.
    """
    try:
        return transitions[state, event]
    except KeyError:
        raise IllegalTransition(state, event) from None
