"""What accounts, sessions and links have in common: digests of secrets, open sessions, and lines of the audit trail."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, insert, select

from gateway.jobs.account_tables import people, sessions
from gateway.jobs.audit import Deed, add_deed
from gateway.jobs.clock import Clock
from gateway.model.errors import NothingThere

SECRET_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How long what is open stays open."""

    idle_s: float = 15 * 60
    """A session ends when nothing was asked for so long,"""
    session_s: float = 12 * 3600
    """and in any case after so long."""
    invitation_s: float = 72 * 3600
    """A one-time link is good for so long."""
    errand_s: float = 10 * 60
    """So long somebody may take to sign in at an identity provider."""
    failures: int = 5
    """Wrong passwords in a row after which an account is locked,"""
    lock_s: float = 5 * 60
    """and for how long."""

    def after_failure(self, failures: int, now: datetime) -> dict[str, Any]:
        """Say what an account is like after so many wrong passwords in a row."""
        if failures < self.failures:
            return {"failures": failures, "locked_until": None}
        return {"failures": 0, "locked_until": now + timedelta(seconds=self.lock_s)}


class Ledger:
    """Some of the tables of people; every change is a line of the audit trail."""

    def __init__(self, engine: Engine, clock: Clock, terms: Terms) -> None:
        self._engine = engine
        self._clock = clock
        self._terms = terms

    def _write_down(self, connection: Connection, who: str, what: str, text: str = "") -> None:
        add_deed(connection, Deed(at=self._clock(), who=who, what=what, text=text))


def new_secret() -> str:
    """Make a secret that nobody guesses."""
    return secrets.token_urlsafe(SECRET_BYTES)


def digest_of(secret: str) -> str:
    """Take what is kept of a secret, so that a copy of the database opens nothing."""
    return hashlib.sha256(secret.encode()).hexdigest()


def open_session(connection: Connection, person: int, now: datetime) -> str:
    """Open a session and return its secret."""
    secret = new_secret()
    row = {"key": digest_of(secret), "person_id": person, "csrf": new_secret()}
    connection.execute(insert(sessions).values(started_at=now, seen_at=now, **row))
    return secret


def end_sessions(connection: Connection, person: int, keep: str = "") -> int:
    """End the sessions of a person but the one of the secret ``keep``; return how many."""
    others = delete(sessions).where(sessions.c.person_id == person, sessions.c.key != digest_of(keep))
    return connection.execute(others).rowcount


def person_named(connection: Connection, name: str) -> Row[Any]:
    """Find a person.

    Raises
    ------
    NothingThere
        There is nobody of this name.
    """
    row = connection.execute(select(people).where(people.c.name == name)).one_or_none()
    if row is None:
        raise NothingThere(f"nobody is called {name!r}")
    return row
