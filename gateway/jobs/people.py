"""People in SQL: accounts, sessions and one-time links.

Of a secret only its digest is kept, so that a copy of the database opens nothing. Passwords come here as hashes; who
makes and checks them is the page's affair.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, insert, select, update

from gateway.jobs.account_tables import invitations, people, sessions
from gateway.jobs.credentials import Ledger, digest_of, end_sessions, new_secret, open_session, person_named
from gateway.jobs.database import reading, writing
from gateway.model.errors import Overtaken, WrongCall
from gateway.model.person import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody with an account."""

    name: str
    role: Role
    disabled: bool
    locked_until: datetime | None
    created_at: datetime
    subject: str | None
    """Who it is at the identity provider, by which this person signs in; without it, by a password of ours."""
    mapped: bool
    """Whether the provider's groups say which role it is."""


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


class People(Ledger):
    """Accounts, sessions, invitations."""

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

    def elsewhere(self, name: str) -> bool:
        """Whether a person signs in at the identity provider, and has no password of ours."""
        with reading(self._engine) as connection:
            subject = connection.execute(select(people.c.subject).where(people.c.name == name)).scalar_one_or_none()
        return subject is not None

    def invite(self, name: str, role: Role, *, who: str) -> str:
        """Make a one-time link by which a person chooses a password; earlier ones end. Return its secret."""
        secret, now = new_secret(), self._clock()
        expires_at = now + timedelta(seconds=self._terms.invitation_s)
        with writing(self._engine) as connection:
            connection.execute(delete(invitations).where(invitations.c.name == name))
            row = {"key": digest_of(secret), "name": name, "role": role, "expires_at": expires_at}
            connection.execute(insert(invitations).values(row))
            self._write_down(connection, who, "person invited", f"{name} as {role}")
        return secret

    def invitation(self, secret: str) -> Invitation | None:
        """Look a one-time link up; nothing where it was used, has expired, or never was."""
        with reading(self._engine) as connection:
            query = select(invitations).where(
                invitations.c.key == digest_of(secret), invitations.c.expires_at > self._clock()
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
                invitations.c.key == digest_of(secret), invitations.c.expires_at > self._clock()
            )
            invited = connection.execute(used.returning(invitations.c.name, invitations.c.role)).one_or_none()
            if invited is None:
                raise WrongCall("this link was used already, or has expired")
            person = connection.execute(select(people.c.id).where(people.c.name == name)).scalar_one_or_none()
            if person is not None and name != invited.name:
                raise WrongCall("this name is somebody else's")
            values = {"role": invited.role, "password_hash": password_hash, "failures": 0, "locked_until": None}
            values |= {"subject": None, "mapped": False}
            if person is None:
                connection.execute(insert(people).values(name=name, created_at=self._clock(), **values))
            else:
                connection.execute(update(people).where(people.c.id == person).values(disabled=False, **values))
                end_sessions(connection, person)
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
                    failed = self._terms.after_failure(row.failures + 1, now)
                    connection.execute(update(people).where(people.c.id == row.id).values(failed))
                self._write_down(connection, f"{name[:64]}@{origin}", "sign-in refused")
                return None
            connection.execute(update(people).where(people.c.id == row.id).values(failures=0, locked_until=None))
            self._write_down(connection, f"{name}@{origin}", "signed in")
            return open_session(connection, row.id, now)

    def session(self, secret: str, *, renew: bool) -> Session | None:
        """Find an open session; keep it open where it is a person who asks, and not a page that refreshes itself."""
        now, key = self._clock(), digest_of(secret)
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
            connection.execute(delete(sessions).where(sessions.c.key == digest_of(secret)))
            self._write_down(connection, who, "signed out")

    def change(self, name: str, *, who: str, role: Role | None = None, disabled: bool | None = None) -> None:
        """Give a person another role, or close or open the account; either ends its sessions.

        Raises
        ------
        NothingThere
            There is nobody of this name.
        Overtaken
            It is the last administrator, or the role comes from the identity provider.
        """
        changes = {"role": role, "disabled": disabled}
        values = {key: value for key, value in changes.items() if value is not None}
        with writing(self._engine) as connection:
            person = person_named(connection, name)
            if role is not None and person.mapped:
                raise Overtaken(f"the role of {name!r} comes from groups at the identity provider; change those")
            connection.execute(update(people).where(people.c.id == person.id).values(values))
            end_sessions(connection, person.id)
            admins = select(func.count()).where(people.c.role == Role.ADMIN, people.c.disabled.is_(False))
            if connection.execute(admins).scalar_one() == 0:
                raise Overtaken(f"{name!r} is the last administrator; make another one first")
            told = ", ".join(f"{key} {value}" for key, value in values.items())
            self._write_down(connection, who, "person changed", f"{name}: {told}")
