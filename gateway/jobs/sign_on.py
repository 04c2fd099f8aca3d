"""People who come by an identity provider: browsers on their way there, and who they are when they come back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from gateway.jobs.account_tables import errands, invitations, people
from gateway.jobs.credentials import Ledger, digest_of, end_sessions, open_session, person_named
from gateway.jobs.database import writing
from gateway.model.errors import NotVouched
from gateway.model.sign_on import Errand, Guest


class SignOns(Ledger):
    """Errands to the provider, and accounts that are known by what it says."""

    def begin(self, errand: Errand, *, invitation: str = "") -> None:
        """Let a browser go; ``invitation``: whoever comes back takes the account of this one-time link."""
        now = self._clock()
        row = {"key": digest_of(errand.state), "nonce": errand.nonce, "verifier": errand.verifier}
        row |= {"invitation": digest_of(invitation)} if invitation else {}
        with writing(self._engine) as connection:
            connection.execute(delete(errands).where(errands.c.expires_at <= now))
            expires_at = now + timedelta(seconds=self._terms.errand_s)
            connection.execute(insert(errands).values(expires_at=expires_at, **row))

    def take(self, state: str) -> tuple[Errand, str | None]:
        """End an errand; return it with the key of the one-time link that it was begun from.

        Raises
        ------
        NotVouched
            There is none, any more.
        """
        mine = delete(errands).where(errands.c.key == digest_of(state), errands.c.expires_at > self._clock())
        with writing(self._engine) as connection:
            row = connection.execute(mine.returning(*errands.c)).one_or_none()
        if row is None:
            raise NotVouched("this sign-in was finished already, or has taken too long; begin again")
        return Errand(state=state, nonce=row.nonce, verifier=row.verifier), row.invitation

    def come_in(self, guest: Guest, *, origin: str, invitation: str | None = None) -> str:
        """Open a session for somebody whom the provider vouches for; return its secret.

        Raises
        ------
        NotVouched
            Nobody here knows them, and none of their groups is mapped to a role; or the account is closed.
        """
        with writing(self._engine) as connection:
            person = self._linked(connection, guest, invitation) if invitation else self._known(connection, guest)
            self._write_down(connection, f"{person.name}@{origin}", "signed in", "by the identity provider")
            return open_session(connection, person.id, self._clock())

    def shut_out(self, guest: Guest) -> None:
        """End the sessions of somebody whom the provider's groups let in before, and do not any more."""
        with writing(self._engine) as connection:
            row = _of(connection, guest)
            if row is not None and row.mapped and guest.role is None:
                n = end_sessions(connection, row.id)
                self._write_down(connection, "identity provider", "sessions ended", f"{row.name}: {n}")

    def _known(self, connection: Connection, guest: Guest) -> Row[Any]:
        row = _of(connection, guest)
        if row is None:
            return self._made(connection, guest)
        if row.disabled:
            raise NotVouched("the account is closed")
        if row.mapped:
            self._follow(connection, row, guest)
        return row

    def _made(self, connection: Connection, guest: Guest) -> Row[Any]:
        """Make an account for somebody new, where a group of theirs has a role."""
        if guest.role is None:
            raise NotVouched("nobody here knows this person, and none of their groups has a role")
        if connection.execute(select(people.c.id).where(people.c.name == guest.name)).one_or_none():
            raise NotVouched("somebody else here has this name; an administrator can make a one-time link")
        row = {"name": guest.name, "role": guest.role, "subject": guest.subject, "password_hash": "", "mapped": True}
        made = insert(people).values(created_at=self._clock(), **row).returning(*people.c)
        self._write_down(connection, "identity provider", "person added", f"{guest.name} as {guest.role}")
        return connection.execute(made).one()

    def _follow(self, connection: Connection, row: Row[Any], guest: Guest) -> None:
        """Give somebody the role that their groups have now."""
        if guest.role is None:
            raise NotVouched("none of this person's groups has a role any more")
        if guest.role == row.role:
            return
        connection.execute(update(people).where(people.c.id == row.id).values(role=guest.role))
        end_sessions(connection, row.id)
        self._write_down(connection, "identity provider", "person changed", f"{row.name}: role {guest.role}")

    def _linked(self, connection: Connection, guest: Guest, invitation: str) -> Row[Any]:
        """Let somebody take the account of a one-time link: from now on they come by the provider, in its role."""
        good = (invitations.c.key == invitation, invitations.c.expires_at > self._clock())
        used = delete(invitations).where(*good).returning(invitations.c.name, invitations.c.role)
        invited = connection.execute(used).one_or_none()
        if invited is None:
            raise NotVouched("this link was used already, or has expired")
        there = _of(connection, guest)
        if there is not None and there.name != invited.name:
            raise NotVouched("this person has an account here already, under another name")
        values: dict[str, Any] = {"role": invited.role, "password_hash": "", "subject": guest.subject, "mapped": False}
        values |= {"failures": 0, "locked_until": None, "disabled": False}
        known = connection.execute(select(people.c.id).where(people.c.name == invited.name)).scalar_one_or_none()
        if known is None:
            connection.execute(insert(people).values(name=invited.name, created_at=self._clock(), **values))
        else:
            end_sessions(connection, known)
            connection.execute(update(people).where(people.c.id == known).values(**values))
        self._write_down(connection, "identity provider", "account linked", f"{invited.name} as {invited.role}")
        return person_named(connection, invited.name)


def _of(connection: Connection, guest: Guest) -> Row[Any] | None:
    return connection.execute(select(people).where(people.c.subject == guest.subject)).one_or_none()
