"""The circuit breaker: a destination that does not answer is left alone until a probe reaches it.

That it is left alone is a row, which every deliverer and every page sees and no restart forgets.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter

from sqlalchemy import Engine, delete, insert, select

from gateway.jobs.clock import Clock
from gateway.jobs.database import reading, writing
from gateway.jobs.tables import absences

logger = logging.getLogger(__name__)

FAILURES_TO_OPEN = 3
"""So many attempts in a row have to find nobody there."""

AWAY = select(absences.c.destination)
"""The destinations to leave alone."""


class Breaker:
    """Counts, by destination, how often in a row nobody answered; while it is open no attempt is used up."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._failures: Counter[str] = Counter()
        self._changing = threading.Lock()

    def failed(self, destination: str, reason: str = "") -> None:
        """Note that nobody answered."""
        with self._changing:
            self._failures[destination] += 1
            if self._failures[destination] < FAILURES_TO_OPEN:
                return
            with writing(self._engine) as connection:
                known = connection.execute(AWAY.where(absences.c.destination == destination)).one_or_none()
                if known is None:
                    row = {"destination": destination, "since": self._clock(), "reason": reason}
                    connection.execute(insert(absences).values(row))
                    logger.warning("destination left alone until it answers", extra={"destination": destination})

    def reached(self, destination: str) -> None:
        """Note that somebody answered."""
        with self._changing:
            self._failures.pop(destination, None)
            with writing(self._engine) as connection:
                back = connection.execute(delete(absences).where(absences.c.destination == destination)).rowcount
        if back:
            logger.warning("destination answers again", extra={"destination": destination})

    def open(self) -> frozenset[str]:
        """List the destinations to leave alone."""
        with reading(self._engine) as connection:
            return frozenset(connection.execute(AWAY).scalars())
