"""The audit trail: what people did and the quality gate decided, each line sealed together with all lines before it.

A line that is changed, taken out or put in breaks the chain from there on. Lines cut off from the end leave no trace in
what remains: whoever has to prove that none are missing keeps the number and the digest that `verify` tells.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, func, insert, select

from gateway.jobs.account_tables import audit
from gateway.jobs.clock import Clock
from gateway.jobs.database import reading, writing
from gateway.model.errors import AuditBroken

GENESIS = "0" * 64
"""What the first line is sealed with."""

PAGE = 1_000
"""Lines that are read at once."""

READING = timedelta(hours=1)
"""Whoever reads on within so long is still reading."""

WRITERS_LOCK = 0x41554449
"""Number of the lock under which PostgreSQL lets one writer after the other have the end of the chain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What a person did: one line."""

    at: datetime
    who: str
    """Name, and where from."""
    what: str
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A line of the trail as it stands there."""

    number: int
    deed: Deed
    digest: str


def add_deed(connection: Connection, deed: Deed) -> None:
    """Seal one line to the end of the chain, in the transaction that does what it tells."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(WRITERS_LOCK)))
    last = connection.execute(select(audit).order_by(audit.c.number.desc()).limit(1)).one_or_none()
    number, before = (last.number + 1, last.digest) if last else (1, GENESIS)
    row = {"number": number, "at": deed.at, "who": deed.who, "what": deed.what, "text": deed.text}
    connection.execute(insert(audit).values(digest=digest_of(before, number, deed), **row))


def digest_of(before: str, number: int, deed: Deed) -> str:
    """Seal a line with the digest of the one before it."""
    at = deed.at.astimezone(UTC).isoformat(timespec="microseconds")
    line = json.dumps([before, number, at, deed.who, deed.what, deed.text])
    return hashlib.sha256(line.encode()).hexdigest()


class AuditTrail:
    """The trail as a whole."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._read_at: dict[str, datetime] = {}

    def add(self, who: str, what: str, text: str = "") -> None:
        """Write down what leaves no other trace in the database."""
        with writing(self._engine) as connection:
            add_deed(connection, Deed(at=self._clock(), who=who, what=what, text=text))

    def read_by(self, who: str) -> None:
        """Write down that somebody reads the trail, once an hour for each."""
        now = self._clock()
        if now - self._read_at.get(who, now - 2 * READING) < READING:
            return
        self._read_at = {each: at for each, at in self._read_at.items() if now - at < READING} | {who: now}
        self.add(who, "audit trail read")

    def newest(self, limit: int, *, before: int | None = None) -> list[Sealed]:
        """List the newest lines; ``before``: of lower numbers only."""
        query = select(audit).order_by(audit.c.number.desc()).limit(limit)
        with reading(self._engine) as connection:
            rows = connection.execute(query if before is None else query.where(audit.c.number < before)).all()
        return [_sealed(row) for row in rows]

    def after(self, number: int, limit: int) -> list[Sealed]:
        """List the lines that follow one, oldest first."""
        query = select(audit).where(audit.c.number > number).order_by(audit.c.number).limit(limit)
        with reading(self._engine) as connection:
            return [_sealed(row) for row in connection.execute(query)]

    def verify(self) -> tuple[int, str]:
        """Follow the chain from its beginning; return its length and its last digest.

        Raises
        ------
        AuditBroken
            A line is not what was written; the message names the first.
        """
        number, before = 0, GENESIS
        for line in self._lines():
            if line.number != number + 1:
                raise AuditBroken(f"line {number + 1} of the audit trail is missing")
            if line.digest != digest_of(before, line.number, line.deed):
                raise AuditBroken(f"line {line.number} of the audit trail is not what was written")
            number, before = line.number, line.digest
        return number, before

    def _lines(self) -> Iterator[Sealed]:
        """Read the trail page by page: no transaction is open while a page is looked at."""
        last = 0
        while page := self.after(last, PAGE):
            yield from page
            last = page[-1].number


def _sealed(row: Row[Any]) -> Sealed:
    return Sealed(number=row.number, deed=Deed(at=row.at, who=row.who, what=row.what, text=row.text), digest=row.digest)
