"""The circuit breaker of a deliverer: a destination that does not answer is left alone until a probe reaches it."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable

logger = logging.getLogger(__name__)

FAILURES_TO_OPEN = 3
"""So many attempts in a row have to find nobody there."""


class Breaker:
    """Counts, by destination, how often in a row nobody answered; while it is open no attempt is used up."""

    def __init__(self, tell: Callable[[str, str | None], None] | None = None) -> None:
        """``tell`` gets a destination that is left alone with the reason, and with None once it answers."""
        self._tell = tell or (lambda _destination, _reason: None)
        self._failures: Counter[str] = Counter()
        self._reached: set[str] = set()
        self._changing = threading.Lock()

    def failed(self, destination: str, reason: str = "") -> None:
        """Note that nobody answered."""
        with self._changing:
            self._failures[destination] += 1
            opens = self._failures[destination] == FAILURES_TO_OPEN
        if opens:
            logger.warning("destination left alone until it answers", extra={"destination": destination})
            self._tell(destination, reason)

    def reached(self, destination: str) -> None:
        """Note that somebody answered; the first time it is told in any case: an earlier process may have given up."""
        with self._changing:
            closes = self._failures.pop(destination, 0) >= FAILURES_TO_OPEN
            first = destination not in self._reached
            self._reached.add(destination)
        if closes:
            logger.warning("destination answers again", extra={"destination": destination})
        if closes or first:
            self._tell(destination, None)

    def open(self) -> frozenset[str]:
        """List the destinations to leave alone."""
        with self._changing:
            return frozenset(name for name, failures in self._failures.items() if failures >= FAILURES_TO_OPEN)
