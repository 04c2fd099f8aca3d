"""Tokens in SQL: by which programs come in, each with the rights it was given and not one more.

Of a token only its digest is kept: it is shown once, to whoever makes it.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Engine, Row, insert, select, update

from gateway.jobs.account_tables import tokens
from gateway.jobs.audit import Deed, add_deed
from gateway.jobs.clock import Clock
from gateway.jobs.database import reading, writing
from gateway.model.errors import NothingThere, Overtaken, WrongCall
from gateway.model.person import Right

PREFIX = "mrgw_"
"""What every token begins with, so that a scan for secrets in somebody's files finds it."""

SECRET_BYTES = 32
USED_EVERY = timedelta(minutes=1)
"""How exactly the last use is known: a write for each request would be one too many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token, without its secret."""

    id: int
    name: str
    rights: frozenset[Right]
    made_by: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    used_at: datetime | None

    def good(self, now: datetime) -> bool:
        """Whether it still opens anything."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """A token that was just made; nobody can show its secret again."""

    token: Token
    secret: str


class Tokens:
    """Tokens: made, shown once, used, revoked."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def create(self, name: str, rights: Collection[Right], *, who: str, days: float | None) -> NewToken:
        """Make a token that is good for so many days, or until it is revoked.

        Raises
        ------
        WrongCall
            It would have no right.
        Overtaken
            A token of this name is in use.
        """
        if not rights:
            raise WrongCall(f"a token needs a right: {', '.join(Right)}")
        secret, now = PREFIX + secrets.token_urlsafe(SECRET_BYTES), self._clock()
        expires_at = None if days is None else now + timedelta(days=days)
        row = {"name": name, "rights": sorted(rights), "made_by": who, "created_at": now, "expires_at": expires_at}
        with writing(self._engine) as connection:
            same = connection.execute(select(tokens).where(tokens.c.name == name, tokens.c.revoked_at.is_(None))).all()
            if any(_token(one).good(now) for one in same):
                raise Overtaken(f"a token {name!r} is in use; revoke it first, or take another name")
            made = connection.execute(insert(tokens).values(key=digest(secret), **row).returning(tokens)).one()
            until = f"until {expires_at:%Y-%m-%d}" if expires_at else "until it is revoked"
            told = f"{made.id} {name}: {', '.join(sorted(rights))}, {until}"
            add_deed(connection, Deed(at=now, who=who, what="token made", text=told))
        return NewToken(token=_token(made), secret=secret)

    def all(self) -> list[Token]:
        """List every token that there was, newest first."""
        with reading(self._engine) as connection:
            return [_token(row) for row in connection.execute(select(tokens).order_by(tokens.c.id.desc()))]

    def revoke(self, token: int, *, who: str) -> Token:
        """Let a token open nothing any more; once is enough.

        Raises
        ------
        NothingThere
            There is none of this number.
        """
        with writing(self._engine) as connection:
            row = connection.execute(select(tokens).where(tokens.c.id == token)).one_or_none()
            if row is None:
                raise NothingThere(f"there is no token {token}")
            if row.revoked_at is None:
                change = update(tokens).where(tokens.c.id == token).values(revoked_at=self._clock())
                row = connection.execute(change.returning(tokens)).one()
                add_deed(connection, Deed(at=row.revoked_at, who=who, what="token revoked", text=f"{token} {row.name}"))
        return _token(row)

    def now(self) -> datetime:
        """Say what time it is for tokens."""
        return self._clock()

    def holder(self, secret: str) -> Token | None:
        """Find the token that a secret is; nothing where it is none, or is good for nothing any more."""
        now = self._clock()
        with reading(self._engine) as connection:
            row = connection.execute(select(tokens).where(tokens.c.key == digest(secret))).one_or_none()
        if row is None or not _token(row).good(now):
            return None
        if row.used_at is None or now - row.used_at > USED_EVERY:
            self._note(tokens.c.id == row.id, now)
        return _token(row)

    def _note(self, which: ColumnElement[bool], now: datetime) -> None:
        with writing(self._engine) as connection:
            connection.execute(update(tokens).where(which).values(used_at=now))


def digest(secret: str) -> str:
    """Say what is kept of a secret. It is random and long: a slow hash would add nothing."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _token(row: Row[Any]) -> Token:
    fields: dict[str, Any] = {name: getattr(row, name) for name in Token.__dataclass_fields__}
    return Token(**{**fields, "rights": frozenset(Right(right) for right in row.rights)})
