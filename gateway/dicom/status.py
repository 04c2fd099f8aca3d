"""What a C-STORE response status means, and what the gateway does about it (PS3.4 B.2.3, PS3.7 Annex C).

The same table is in the conformance statement.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """What follows from a status."""

    STORED = "stored"
    STORED_WITH_WARNING = "stored, with a warning"
    RETRY = "send again later"
    PERMANENT = "do not send again"
    VERIFY = "ask the peer what it has"


@dataclass(frozen=True, slots=True)
class Status:
    """A status, or a range of them, both ends included."""

    first: int
    last: int
    meaning: str
    outcome: Outcome


def _one(status: int, meaning: str, outcome: Outcome) -> Status:
    return Status(status, status, meaning, outcome)


_O = Outcome

STATUSES = (
    _one(0x0000, "stored", _O.STORED),
    _one(0xB000, "stored, data elements coerced", _O.STORED_WITH_WARNING),
    _one(0xB006, "stored, elements discarded", _O.STORED_WITH_WARNING),
    _one(0xB007, "stored, data set does not match SOP class", _O.STORED_WITH_WARNING),
    Status(0xB000, 0xBFFF, "stored, with a warning of the vendor", _O.STORED_WITH_WARNING),
    _one(0x0001, "stored, with a warning", _O.STORED_WITH_WARNING),
    _one(0x0107, "stored, attribute list error", _O.STORED_WITH_WARNING),
    _one(0x0116, "stored, attribute value out of range", _O.STORED_WITH_WARNING),
    Status(0xA700, 0xA7FF, "out of resources", _O.RETRY),
    _one(0x0110, "processing failure", _O.RETRY),
    _one(0x0213, "resource limitation", _O.RETRY),
    _one(0xFE00, "cancelled", _O.RETRY),
    _one(0x0111, "duplicate SOP instance", _O.VERIFY),
    Status(0xA900, 0xA9FF, "data set does not match SOP class", _O.PERMANENT),
    Status(0xC000, 0xCFFF, "cannot understand", _O.PERMANENT),
    _one(0x0105, "no such attribute", _O.PERMANENT),
    _one(0x0106, "invalid attribute value", _O.PERMANENT),
    _one(0x0112, "no such SOP instance", _O.PERMANENT),
    _one(0x0117, "invalid SOP instance", _O.PERMANENT),
    _one(0x0119, "class-instance conflict", _O.PERMANENT),
    _one(0x0120, "missing attribute", _O.PERMANENT),
    _one(0x0121, "missing attribute value", _O.PERMANENT),
    _one(0x0122, "SOP class not supported", _O.PERMANENT),
    _one(0x0124, "not authorised", _O.PERMANENT),
    _one(0x0210, "duplicate invocation", _O.PERMANENT),
    _one(0x0211, "unrecognised operation", _O.PERMANENT),
    _one(0x0212, "mistyped argument", _O.PERMANENT),
    _one(0x0214, "not authorised", _O.PERMANENT),
    Status(0x0000, 0xFFFF, "unknown status", _O.PERMANENT),
)
"""The first row that contains a status decides."""


def meaning_of(status: int) -> Status:
    """Look up a status."""
    return next(row for row in STATUSES if row.first <= status <= row.last)
