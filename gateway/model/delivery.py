"""Deliveries: the states of one series on its way to one destination, and the only ways from one to the next."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType

from gateway.model.work import Transitions, WorkEvent


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    PENDING = "PENDING"
    SENDING = "SENDING"
    WAITING = "WAITING"
    STORED = "STORED"
    """Every instance was answered with success. Unfinished, it waits for the proof that they are kept."""
    COMMITTED = "COMMITTED"
    """The destination has committed every instance, or shows that it has it."""
    HELD = "HELD"
    FAILED = "FAILED"


_D, _E = DeliveryState, WorkEvent

DELIVERY_TRANSITIONS: Transitions[DeliveryState] = MappingProxyType(
    {
        (_D.PENDING, _E.CLAIM): _D.SENDING,
        (_D.PENDING, _E.HOLD): _D.HELD,
        (_D.WAITING, _E.CLAIM): _D.SENDING,
        (_D.WAITING, _E.HOLD): _D.HELD,
        (_D.WAITING, _E.RETRY): _D.PENDING,
        (_D.SENDING, _E.SUCCEED): _D.STORED,
        (_D.SENDING, _E.POSTPONE): _D.WAITING,
        (_D.SENDING, _E.FAIL): _D.FAILED,
        (_D.SENDING, _E.HOLD): _D.HELD,
        (_D.SENDING, _E.LEASE_EXPIRED): _D.WAITING,
        (_D.SENDING, _E.INTERRUPT): _D.WAITING,
        (_D.SENDING, _E.CRASH_AGAIN): _D.FAILED,
        (_D.SENDING, _E.COMMIT): _D.COMMITTED,
        (_D.STORED, _E.CLAIM): _D.SENDING,
        (_D.STORED, _E.COMMIT): _D.COMMITTED,
        (_D.STORED, _E.POSTPONE): _D.WAITING,
        (_D.STORED, _E.FAIL): _D.FAILED,
        (_D.COMMITTED, _E.POSTPONE): _D.WAITING,
        (_D.COMMITTED, _E.FAIL): _D.FAILED,
        (_D.STORED, _E.RESEND): _D.PENDING,
        (_D.COMMITTED, _E.RESEND): _D.PENDING,
        (_D.HELD, _E.RELEASE): _D.PENDING,
        (_D.FAILED, _E.RETRY): _D.PENDING,
    }
)
