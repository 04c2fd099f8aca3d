"""People in SQL: accounts, sessions and one-time links.

Of a secret only its digest is kept, so that a copy of the database opens nothing. Passwords come here as hashes; who
makes and checks them is the page's affair.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from gateway.jobs.audit import Deed, add_deed
from gateway.jobs.clock import Clock
from gateway.jobs.database import reading, writing
from gateway.jobs.tables import invitations, people, sessions
from gateway.model.errors import NothingThere, Overtaken, WrongCall
from gateway.model.person import Role

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
    failures: int = 5
    """Wrong passwords in a row after which an account is locked,"""
    lock_s: float = 5 * 60
    """and for how long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody with an account."""

    name: str
    role: Role
    disabled: bool
    locked_until: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A person who has signed in."""

    name: str
    role: Role
    csrf: str
    """What the forms of this session carry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """A one-time link to an account."""

    name: str
    role: Role


class People:
    """Accounts, sessions, invitations."""

    def __init__(self, engine: Engine, clock: Clock, terms: Terms) -> None:
        self._engine = engine
        self._clock = clock
        self._terms = terms

    def any(self) -> bool:
        """Whether anybody has an account."""
        with reading(self._engine) as connection:
            return connection.execute(select(people.c.id).limit(1)).scalar_one_or_none() is not None

    def all(self) -> list[Person]:
        """List everybody."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(people).order_by(people.c.name)).all()
        names = Person.__dataclass_fields__
        return [Person(**{name: getattr(row, name) for name in names} | {"role": Role(row.role)}) for row in rows]

    def invite(self, name: str, role: Role, *, who: str) -> str:
        """Make a one-time link by which a person chooses a password; earlier ones end. Return its secret."""
        secret, now = secrets.token_urlsafe(SECRET_BYTES), self._clock()
        expires_at = now + timedelta(seconds=self._terms.invitation_s)
        with writing(self._engine) as connection:
            connection.execute(delete(invitations).where(invitations.c.name == name))
            row = {"key": _digest(secret), "name": name, "role": role, "expires_at": expires_at}
            connection.execute(insert(invitations).values(row))
            self._write_down(connection, who, "person invited", f"{name} as {role}")
        return secret

    def invitation(self, secret: str) -> Invitation | None:
        """Look a one-time link up; nothing where it was used, has expired, or never was."""
        with reading(self._engine) as connection:
            query = select(invitations).where(
                invitations.c.key == _digest(secret), invitations.c.expires_at > self._clock()
            )
            row = connection.execute(query).one_or_none()
        return None if row is None else Invitation(name=row.name, role=Role(row.role))

    def accept(self, secret: str, *, name: str, password_hash: str, origin: str) -> None:
        """Use a one-time link: the account is made or gets this password and role, and its sessions end.

        Raises
        ------
        WrongCall
            The link is no longer good, or the name is somebody else's.
        """
        with writing(self._engine) as connection:
            used = delete(invitations).where(
                invitations.c.key == _digest(secret), invitations.c.expires_at > self._clock()
            )
            invited = connection.execute(used.returning(invitations.c.name, invitations.c.role)).one_or_none()
            if invited is None:
                raise WrongCall("this link was used already, or has expired")
            person = connection.execute(select(people.c.id).where(people.c.name == name)).scalar_one_or_none()
            if person is not None and name != invited.name:
                raise WrongCall("this name is somebody else's")
            values = {"role": invited.role, "password_hash": password_hash, "failures": 0, "locked_until": None}
            if person is None:
                connection.execute(insert(people).values(name=name, created_at=self._clock(), **values))
            else:
                connection.execute(update(people).where(people.c.id == person).values(disabled=False, **values))
                connection.execute(delete(sessions).where(sessions.c.person_id == person))
            self._write_down(connection, f"{name}@{origin}", "password set", f"as {invited.role}")

    def sign_in(self, name: str, fits: Callable[[str | None], bool], *, origin: str) -> str | None:
        """Open a session where the password fits; return its secret, or nothing where person and password do not.

        Parameters
        ----------
        fits
            Compares the password with a hash; gets None where nobody of this name may sign in, and takes as long.
        """
        now = self._clock()
        with reading(self._engine) as connection:
            row = connection.execute(select(people).where(people.c.name == name)).one_or_none()
        free = row is not None and not row.disabled and (row.locked_until is None or row.locked_until <= now)
        good = fits(row.password_hash if row is not None and free else None)
        with writing(self._engine) as connection:
            if row is None or not good:
                if row is not None and free:
                    self._count_failure(connection, row.id, row.failures + 1)
                self._write_down(connection, f"{name[:64]}@{origin}", "sign-in refused")
                return None
            secret = secrets.token_urlsafe(SECRET_BYTES)
            connection.execute(update(people).where(people.c.id == row.id).values(failures=0, locked_until=None))
            session = {"key": _digest(secret), "person_id": row.id, "csrf": secrets.token_urlsafe(SECRET_BYTES)}
            connection.execute(insert(sessions).values(started_at=now, seen_at=now, **session))
            self._write_down(connection, f"{name}@{origin}", "signed in")
            return secret

    def _count_failure(self, connection: Connection, person: int, failures: int) -> None:
        locked = failures >= self._terms.failures
        until = self._clock() + timedelta(seconds=self._terms.lock_s) if locked else None
        values = {"failures": 0 if locked else failures, "locked_until": until}
        connection.execute(update(people).where(people.c.id == person).values(values))

    def session(self, secret: str, *, renew: bool) -> Session | None:
        """Find an open session; keep it open where it is a person who asks, and not a page that refreshes itself."""
        now, key = self._clock(), _digest(secret)
        query = select(sessions, people.c.name, people.c.role).join(people, people.c.id == sessions.c.person_id)
        query = query.where(
            sessions.c.key == key,
            people.c.disabled.is_(False),
            sessions.c.seen_at > now - timedelta(seconds=self._terms.idle_s),
            sessions.c.started_at > now - timedelta(seconds=self._terms.session_s),
        )
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        if renew and now - row.seen_at > timedelta(seconds=self._terms.idle_s / 15):
            with writing(self._engine) as connection:
                connection.execute(update(sessions).where(sessions.c.key == key).values(seen_at=now))
        return Session(name=row.name, role=Role(row.role), csrf=row.csrf)

    def sign_out(self, secret: str, *, who: str) -> None:
        """End a session."""
        with writing(self._engine) as connection:
            connection.execute(delete(sessions).where(sessions.c.key == _digest(secret)))
            self._write_down(connection, who, "signed out")

    def change(self, name: str, *, who: str, role: Role | None = None, disabled: bool | None = None) -> None:
        """Give a person another role, or close or open the account; either ends its sessions.

        Raises
        ------
        NothingThere
            There is nobody of this name.
        Overtaken
            It is the last administrator.
        """
        changes = {"role": role, "disabled": disabled}
        values = {key: value for key, value in changes.items() if value is not None}
        with writing(self._engine) as connection:
            person = connection.execute(select(people.c.id).where(people.c.name == name)).scalar_one_or_none()
            if person is None:
                raise NothingThere(f"nobody is called {name!r}")
            connection.execute(update(people).where(people.c.id == person).values(values))
            connection.execute(delete(sessions).where(sessions.c.person_id == person))
            admins = select(func.count()).where(people.c.role == Role.ADMIN, people.c.disabled.is_(False))
            if connection.execute(admins).scalar_one() == 0:
                raise Overtaken(f"{name!r} is the last administrator; make another one first")
            told = ", ".join(f"{key} {value}" for key, value in values.items())
            self._write_down(connection, who, "person changed", f"{name}: {told}")

    def _write_down(self, connection: Connection, who: str, what: str, text: str = "") -> None:
        add_deed(connection, Deed(at=self._clock(), who=who, what=what, text=text))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
