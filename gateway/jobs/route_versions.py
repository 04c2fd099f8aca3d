"""Versions of the routes: applied once, numbered, never changed; the one with the highest number is in force."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, func, insert, select

from gateway.jobs.audit import Deed, add_deed
from gateway.jobs.clock import Clock
from gateway.jobs.database import reading, writing
from gateway.jobs.tables import route_versions
from gateway.model.errors import NothingThere, Overtaken


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteVersion:
    """A version, and who made it."""

    number: int
    """From 1 on; 0 is the file that was in force before anything was applied."""
    at: datetime
    who: str
    comment: str


def version_in_force(connection: Connection) -> int:
    """Look up the version that a job takes which is queued in this transaction."""
    newest: int | None = connection.execute(select(func.max(route_versions.c.number))).scalar_one()
    return newest or 0


class RouteVersions:
    """What was ever applied."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def in_force(self) -> int:
        """Look up the version that the next job takes."""
        with reading(self._engine) as connection:
            return version_in_force(connection)

    def toml(self, number: int) -> str:
        """Read the text of a version.

        Raises
        ------
        NothingThere
            There is none of this number.
        """
        with reading(self._engine) as connection:
            query = select(route_versions.c.toml).where(route_versions.c.number == number)
            text: str | None = connection.execute(query).scalar_one_or_none()
        if text is None:
            raise NothingThere(f"there is no version {number} of the routes")
        return text

    def add(self, toml: str, *, who: str, comment: str, after: int | None = None) -> int:
        """Put a text that was checked in force, and write down who did it; return its number.

        Raises
        ------
        Overtaken
            It was made from version ``after``, and another one has come into force.
        """
        with writing(self._engine) as connection:
            before = version_in_force(connection)
            if after not in (None, before):
                raise Overtaken(f"version {before} has come into force meanwhile; compare, then apply again")
            number = before + 1
            now = self._clock()
            row = {"number": number, "at": now, "who": who, "comment": comment, "toml": toml}
            connection.execute(insert(route_versions).values(row))
            text = f"version {number}: {comment}".removesuffix(": ")
            add_deed(connection, Deed(at=now, who=who, what="routes applied", text=text))
            return number

    def history(self, limit: int) -> list[RouteVersion]:
        """List the newest versions."""
        query = select(route_versions).order_by(route_versions.c.number.desc()).limit(limit)
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
        return [RouteVersion(number=row.number, at=row.at, who=row.who, comment=row.comment) for row in rows]
