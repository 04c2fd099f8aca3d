"""Open sessions and passwords of people who have an account: seen, ended, changed.

Coming in and going out is `People`'s affair; this is what a person does about an account that is there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update

from gateway.jobs.account_tables import invitations, people, sessions
from gateway.jobs.credentials import Ledger, digest_of, end_sessions, person_named
from gateway.jobs.database import reading, writing
from gateway.model.person import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSession:
    """A place where somebody is signed in."""

    started_at: datetime
    seen_at: datetime
    this_one: bool
    """The one that asks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenInvitation:
    """A one-time link that nobody has used yet."""

    name: str
    role: Role
    expires_at: datetime


class Sessions(Ledger):
    """What is open, and how it is closed."""

    def now(self) -> datetime:
        """Say what time it is by the clock that locks and sessions go by."""
        return self._clock()

    def open(self, secret: str = "") -> Mapping[str, list[OpenSession]]:
        """List open sessions by the names of their people, newest first; ``secret`` is of the one that asks."""
        now, mine = self._clock(), digest_of(secret)
        query = select(people.c.name, sessions.c.key, sessions.c.started_at, sessions.c.seen_at)
        query = query.join(people, people.c.id == sessions.c.person_id).where(
            sessions.c.seen_at > now - timedelta(seconds=self._terms.idle_s),
            sessions.c.started_at > now - timedelta(seconds=self._terms.session_s),
        )
        found: dict[str, list[OpenSession]] = defaultdict(list)
        with reading(self._engine) as connection:
            for row in connection.execute(query.order_by(sessions.c.started_at.desc())):
                one = OpenSession(started_at=row.started_at, seen_at=row.seen_at, this_one=row.key == mine)
                found[row.name].append(one)
        return found

    def invitations(self) -> list[OpenInvitation]:
        """List the one-time links that are good."""
        query = select(invitations).where(invitations.c.expires_at > self._clock()).order_by(invitations.c.name)
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
        return [OpenInvitation(name=row.name, role=Role(row.role), expires_at=row.expires_at) for row in rows]

    def end(self, name: str, *, who: str, keep: str = "") -> int:
        """End the sessions of a person but the one of the secret ``keep``; return how many.

        Raises
        ------
        NothingThere
            There is nobody of this name.
        """
        with writing(self._engine) as connection:
            person = person_named(connection, name)
            n = end_sessions(connection, person.id, keep)
            self._write_down(connection, who, "sessions ended", f"{name}: {n}")
        return n

    def unlock(self, name: str, *, who: str) -> None:
        """Let a person try again who has given a wrong password too often.

        Raises
        ------
        NothingThere
            There is nobody of this name.
        """
        with writing(self._engine) as connection:
            person = person_named(connection, name)
            free = update(people).where(people.c.id == person.id).values(failures=0, locked_until=None)
            connection.execute(free)
            self._write_down(connection, who, "person unlocked", name)

    def withdraw(self, name: str, *, who: str) -> None:
        """Make the one-time link of a name good for nothing."""
        with writing(self._engine) as connection:
            if connection.execute(delete(invitations).where(invitations.c.name == name)).rowcount:
                self._write_down(connection, who, "invitation withdrawn", name)

    def change_password(
        self, name: str, fits: Callable[[str | None], bool], password_hash: str, *, who: str, keep: str
    ) -> bool:
        """Give a person another password where the present one fits, and end all sessions but the one that asks.

        A wrong one counts as at signing in: whoever sits at an open page must not be able to guess.
        """
        now = self._clock()
        with reading(self._engine) as connection:
            person = person_named(connection, name)
        free = person.locked_until is None or person.locked_until <= now
        good = fits(person.password_hash if free else None)
        with writing(self._engine) as connection:
            if good:
                values: dict[str, object] = {"password_hash": password_hash, "failures": 0, "locked_until": None}
                end_sessions(connection, person.id, keep)
            elif free:
                values = self._terms.after_failure(person.failures + 1, now)
            else:
                values = {}
            if values:
                connection.execute(update(people).where(people.c.id == person.id).values(values))
            self._write_down(connection, who, "password changed" if good else "password change refused", name)
        return good
