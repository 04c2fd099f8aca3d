"""What the doctor finds: how bad it is, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from gateway.model.errors import GatewayError


class Health(StrEnum):
    """How bad it is."""

    GOOD = "good"
    DOUBTFUL = "doubtful"
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    what: str
    health: Health
    said: str
    remedy: str = ""


def good(what: str, said: str) -> Finding:
    """Say that something is well."""
    return Finding(what=what, health=Health.GOOD, said=said)


def doubtful(what: str, said: str, remedy: str) -> Finding:
    """Say that something is not as it should be, though it works."""
    return Finding(what=what, health=Health.DOUBTFUL, said=said, remedy=remedy)


def bad(what: str, said: str, remedy: str) -> Finding:
    """Say that something does not work."""
    return Finding(what=what, health=Health.BAD, said=said, remedy=remedy)


def attempt(what: str, ask: Callable[[], object], *, said: str, remedy: str) -> Finding:
    """Find out whether something works, by doing it."""
    try:
        ask()
    except GatewayError as error:
        return bad(what, str(error), remedy)
    return good(what, said)
