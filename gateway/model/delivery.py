"""Deliveries: one series on its way to one destination."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from gateway.model.errors import IllegalTransition


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    PENDING = "PENDING"
    SENDING = "SENDING"
    WAITING = "WAITING"
    STORED = "STORED"
    COMMITTED = "COMMITTED"
    HELD = "HELD"
    FAILED = "FAILED"


class DeliveryEvent(StrEnum):
    """What can happen to a delivery."""

    CLAIM = "claimed"
    STORE = "stored"
    COMMIT = "committed"
    POSTPONE = "postponed"
    FAIL = "failed"
    HOLD = "held"
    RELEASE = "released"
    RETRY = "retried"
    LEASE_EXPIRED = "lease expired"


_D, _E = DeliveryState, DeliveryEvent

DELIVERY_TRANSITIONS: Mapping[tuple[DeliveryState, DeliveryEvent], DeliveryState] = MappingProxyType(
    {
        (_D.PENDING, _E.CLAIM): _D.SENDING,
        (_D.PENDING, _E.HOLD): _D.HELD,
        (_D.WAITING, _E.CLAIM): _D.SENDING,
        (_D.WAITING, _E.HOLD): _D.HELD,
        (_D.WAITING, _E.RETRY): _D.PENDING,
        (_D.SENDING, _E.STORE): _D.STORED,
        (_D.SENDING, _E.POSTPONE): _D.WAITING,
        (_D.SENDING, _E.FAIL): _D.FAILED,
        (_D.SENDING, _E.LEASE_EXPIRED): _D.WAITING,
        (_D.STORED, _E.COMMIT): _D.COMMITTED,
        (_D.HELD, _E.RELEASE): _D.PENDING,
        (_D.FAILED, _E.RETRY): _D.PENDING,
    }
)


def next_delivery_state(state: DeliveryState, event: DeliveryEvent) -> DeliveryState:
    """Look up the next state.

    Raises
    ------
    IllegalTransition
        The table has no such row.
    """
    try:
        return DELIVERY_TRANSITIONS[state, event]
    except KeyError:
        raise IllegalTransition(f"a delivery that is {state}", event) from None
