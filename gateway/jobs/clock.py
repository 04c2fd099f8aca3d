"""What time it is: passed in, so that tests decide; and one for all machines, so that they agree when a lease ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from sqlalchemy import Engine, text

from gateway.jobs.database import reading

Clock: TypeAlias = Callable[[], datetime]

ASK_EVERY_S = 60.0


def utc_now() -> datetime:
    """Read the wall clock, in UTC."""
    return datetime.now(UTC)


def clock_of(engine: Engine) -> Clock:
    """Choose the clock that everybody on a database shares: SQLite is on this machine, PostgreSQL has its own."""
    return utc_now if engine.dialect.name == "sqlite" else ServerClock(engine, time.monotonic)


class ServerClock:
    """The time of the database's machine, asked once a minute and counted on in between; our wall clock has no say."""

    def __init__(self, engine: Engine, monotonic: Callable[[], float]) -> None:
        self._engine = engine
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._asked: tuple[float, datetime] | None = None

    def __call__(self) -> datetime:
        """Say what time it is there.

        Raises
        ------
        StorageFault
            The database did not answer.
        """
        with self._lock:
            if self._asked is None or self._monotonic() - self._asked[0] > ASK_EVERY_S:
                self._asked = self._ask()
            at, then = self._asked
            return then + timedelta(seconds=self._monotonic() - at)

    def _ask(self) -> tuple[float, datetime]:
        with reading(self._engine) as connection:
            then: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
        return self._monotonic(), then.astimezone(UTC)
