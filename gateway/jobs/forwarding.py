"""How far the audit trail was forwarded to a record repository: a cursor in SQL; the trail itself stays the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine, func, insert, select, update

from gateway.jobs.account_tables import audit
from gateway.jobs.audit import AuditTrail, Sealed
from gateway.jobs.clock import Clock
from gateway.jobs.database import reading, writing
from gateway.jobs.tables import channels

CHANNEL = "atna"
MOST_AT_ONCE = 200
LEASE = timedelta(minutes=2)
"""As long as somebody forwards, nobody else does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardingState:
    """How it stands with the repository."""

    last_told: int
    """Number of the last line that it has, or that is not for it."""
    waiting: int
    """Lines after that."""
    attempt: int
    """Failures in a row."""
    reason: str
    """Of the last failure; empty where all is well."""
    sent_at: datetime | None


class Forwarding:
    """The cursor; a repository hears of what happens after it was first set, and misses nothing of that."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._trail = AuditTrail(engine, clock)

    def open(self) -> None:
        """Begin to forward, or go on where it ended."""
        with writing(self._engine) as connection:
            if connection.execute(select(channels).where(_MINE)).one_or_none() is not None:
                return
            last = connection.execute(select(func.max(audit.c.number))).scalar_one() or 0
            now = self._clock()
            row = {"channel": CHANNEL, "since": now, "run_at": now, "attempt": 0, "reason": "", "last_told": last}
            connection.execute(insert(channels).values(row))

    def due(self) -> Sequence[Sealed]:
        """Take the next lines, oldest first; nobody else gets them meanwhile."""
        now = self._clock()
        with reading(self._engine) as connection:
            last = connection.execute(select(channels.c.last_told).where(_MINE)).scalar_one()
        found = self._trail.after(last, limit=MOST_AT_ONCE)
        if not found:
            return []
        mine = update(channels).where(_MINE, channels.c.run_at <= now, channels.c.last_told == last)
        with writing(self._engine) as connection:
            taken = connection.execute(mine.values(run_at=now + LEASE)).rowcount
        return found if taken else []

    def told(self, number: int) -> None:
        """Note that everything up to this line is there."""
        with writing(self._engine) as connection:
            now = self._clock()
            values = {"attempt": 0, "reason": "", "sent_at": now, "run_at": now, "last_told": number}
            connection.execute(update(channels).where(_MINE).values(values))

    def failed(self, reason: str, *, wait: timedelta) -> None:
        """Note that the repository did not take it; it is tried again after a while."""
        with writing(self._engine) as connection:
            values = {"attempt": channels.c.attempt + 1, "reason": reason, "run_at": self._clock() + wait}
            connection.execute(update(channels).where(_MINE).values(values))

    def state(self) -> ForwardingState | None:
        """Say how it stands; nothing where nothing was ever forwarded."""
        newest = select(func.coalesce(func.max(audit.c.number), 0)).scalar_subquery()
        with reading(self._engine) as connection:
            row = connection.execute(select(channels, newest.label("newest")).where(_MINE)).one_or_none()
        if row is None:
            return None
        return ForwardingState(
            last_told=row.last_told,
            waiting=row.newest - row.last_told,
            attempt=row.attempt,
            reason=row.reason,
            sent_at=row.sent_at,
        )


_MINE = channels.c.channel == CHANNEL
