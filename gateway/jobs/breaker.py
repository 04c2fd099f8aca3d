"""The circuit breaker of a deliverer: a destination that does not answer is left alone until a probe reaches it."""

from __future__ import annotations

import logging
import threading
from collections import Counter

logger = logging.getLogger(__name__)

FAILURES_TO_OPEN = 3
"""So many attempts in a row have to find nobody there."""


class Breaker:
    """Counts, by destination, how often in a row nobody answered; while it is open no attempt is used up."""

    def __init__(self) -> None:
        self._failures: Counter[str] = Counter()
        self._changing = threading.Lock()

    def failed(self, destination: str) -> None:
        """Note that nobody answered."""
        with self._changing:
            self._failures[destination] += 1
            if self._failures[destination] == FAILURES_TO_OPEN:
                logger.warning("destination left alone until it answers", extra={"destination": destination})

    def reached(self, destination: str) -> None:
        """Note that somebody answered."""
        with self._changing:
            if self._failures.pop(destination, 0) >= FAILURES_TO_OPEN:
                logger.warning("destination answers again", extra={"destination": destination})

    def open(self) -> frozenset[str]:
        """List the destinations to leave alone."""
        with self._changing:
            return frozenset(name for name, failures in self._failures.items() if failures >= FAILURES_TO_OPEN)
