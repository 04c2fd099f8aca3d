"""Which destinations are left alone because nobody answers there: what the deliverers' breakers say, for all to see."""

from __future__ import annotations

import logging

from sqlalchemy import Engine, delete, insert, select

from gateway.jobs.clock import Clock
from gateway.jobs.database import writing
from gateway.jobs.tables import absences
from gateway.model.errors import StorageFault

logger = logging.getLogger(__name__)


class Absences:
    """The list of destinations that are away."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def note(self, destination: str, reason: str | None) -> None:
        """Note that a destination is away, with the reason; without one, that it is back.

        A database that does not answer only costs the note: delivering goes on.
        """
        try:
            with writing(self._engine) as connection:
                known = connection.execute(select(absences).where(absences.c.destination == destination)).one_or_none()
                if reason is None:
                    connection.execute(delete(absences).where(absences.c.destination == destination))
                elif known is None:
                    row = {"destination": destination, "since": self._clock(), "reason": reason}
                    connection.execute(insert(absences).values(row))
        except StorageFault as fault:
            logger.info("nobody was told of a destination", extra={"destination": destination, "reason": str(fault)})
