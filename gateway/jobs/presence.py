"""Who is at work: every worker, deliverer and listener says so again and again, so that a person sees who has gone."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, delete, insert, select, update

from gateway.jobs.clock import Clock
from gateway.jobs.database import lending, reading, writing
from gateway.jobs.tables import presences
from gateway.model.errors import StorageFault

logger = logging.getLogger(__name__)

BEAT_S = 10.0
"""How often each says that it is there."""

SILENT_S = 3 * BEAT_S
"""Whoever said nothing for so long has probably gone."""

FORGOTTEN = timedelta(hours=1)
"""After so long nobody needs to be told any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """One process of ours."""

    owner: str
    role: str
    place: str
    """What it works with: a device, an address."""
    since: datetime
    seen_at: datetime
    silent: bool
    """It has not been heard of for too long."""


class Presences:
    """The list of all that are at work."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    @contextmanager
    def at_work(self, owner: str, role: str, place: str) -> Iterator[None]:
        """Be on the list as long as the block lasts; a database that does not answer changes nothing for the block."""
        ended = threading.Event()

        def beat() -> None:
            while True:
                try:
                    self.say(owner, role, place)
                except StorageFault as fault:
                    logger.info("nobody was told who is at work", extra={"owner": owner, "reason": str(fault)})
                if ended.wait(BEAT_S):
                    return

        thread = threading.Thread(target=beat, name=f"presence-{role}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            with suppress(StorageFault):  # then it is on the list as silent
                self.gone(owner)

    def say(self, owner: str, role: str, place: str) -> None:
        """Be on the list from now on; whoever was silent for very long is taken off it."""
        with lending(self._engine) as connection:
            now = self._clock()
            _seen(connection, owner, now, {"role": role, "place": place[:255]})
            connection.execute(delete(presences).where(presences.c.seen_at < now - FORGOTTEN))

    def gone(self, owner: str) -> None:
        """Take one off the list."""
        with writing(self._engine) as connection:
            connection.execute(delete(presences).where(presences.c.owner == owner))

    def all(self) -> list[Presence]:
        """List everybody, by what they do."""
        quiet = self._clock() - timedelta(seconds=SILENT_S)
        with reading(self._engine) as connection:
            rows = connection.execute(
                select(presences).order_by(presences.c.role, presences.c.since, presences.c.owner)
            ).all()
        return [Presence(**row._mapping, silent=row.seen_at < quiet) for row in rows]  # noqa: SLF001 - the row as names


def _seen(connection: Connection, owner: str, now: datetime, values: dict[str, str]) -> None:
    known = update(presences).where(presences.c.owner == owner).values(seen_at=now, **values)
    if not connection.execute(known).rowcount:
        connection.execute(insert(presences).values(owner=owner, since=now, seen_at=now, **values))
