"""Joiner 4: the text of routes becomes a numbered version in SQL, and a version becomes routes again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from difflib import unified_diff
from pathlib import Path

from gateway.jobs.route_versions import RouteVersion, RouteVersions
from gateway.model.errors import NoRoute, Overtaken, RoutesFault
from gateway.model.route import Routes
from gateway.routing.choose import explain
from gateway.routing.facts import Facts
from gateway.routing.text import parse_routes

UNAPPLIED = 0
"""The version that stands for the file, or the default, before anything was applied."""


@dataclass(frozen=True, kw_only=True)
class Steering:
    """The routes in all their versions: what roles ask for routes, and the page and the commands steer by."""

    versions: RouteVersions
    folder: Path
    """Where relative paths in the routes start."""
    unapplied: Callable[[], str]
    """Reads the text of version 0."""
    _read: dict[int, Routes] = field(default_factory=dict)

    def in_force(self) -> int:
        """Look up the version that the next job takes."""
        return self.versions.in_force()

    def routes(self, number: int) -> Routes:
        """Read the routes of a version, once.

        Raises
        ------
        NoRoute
            This software does not understand them.
        """
        if number not in self._read:
            try:
                self._read[number] = self.parse(self.toml(number), source=f"version {number} of the routes")
            except RoutesFault as fault:
                raise NoRoute(f"{fault}; apply routes that this software understands, then release the job") from fault
        return self._read[number]

    def toml(self, number: int) -> str:
        """Read the text of a version.

        Raises
        ------
        NothingThere
            There is none of this number.
        """
        return self.unapplied() if number == UNAPPLIED else self.versions.toml(number)

    def parse(self, text: str, *, source: str) -> Routes:
        """Read routes.

        Raises
        ------
        RoutesFault
            With all faults at once.
        """
        return parse_routes(text, source=source, folder=self.folder)

    def apply(self, text: str, *, source: str, who: str, comment: str, base: int | None = None) -> int:
        """Put routes in force from the next job on; return the number of the version.

        Parameters
        ----------
        base
            The version that they were made from, where it must still be in force.

        Raises
        ------
        RoutesFault
            They say something impossible; nothing has changed.
        Overtaken
            They are in force already, or something else has come into force since.
        """
        self.parse(text, source=source)
        before = self.in_force()
        if before != UNAPPLIED and base in (None, before) and self.toml(before) == text:
            raise Overtaken(f"{source} is what version {before} says, and that is in force already")
        return self.versions.add(text, who=who, comment=comment, after=base)

    def roll_back(self, number: int, *, who: str, comment: str) -> int:
        """Put the routes of an earlier version in force again, as a new version; return its number."""
        why = f"back to version {number}{': ' if comment else ''}{comment}"
        return self.apply(self.toml(number), source=f"version {number}", who=who, comment=why)

    def history(self, limit: int) -> list[RouteVersion]:
        """List the newest versions that were applied."""
        return self.versions.history(limit)

    def difference(self, before: int, after: int) -> list[str]:
        """Compare two versions line by line."""
        return difference(self.toml(before), self.toml(after), f"version {before}", f"version {after}")


def difference(before: str, after: str, old: str, new: str) -> list[str]:
    """Compare two texts of these names line by line, as ``diff -u`` shows it; nothing where they are equal."""
    return list(unified_diff(before.splitlines(), after.splitlines(), old, new, lineterm=""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A scan that other routes send elsewhere."""

    scan: str
    facts: Facts
    before: str
    after: str


def turns(scans: Iterable[tuple[str, Facts]], before: Routes, after: Routes) -> list[Turn]:
    """Find the scans that would take another way by other routes."""
    ways = ((scan, facts, way_of(before, facts), way_of(after, facts)) for scan, facts in scans)
    return [Turn(scan=scan, facts=facts, before=old, after=new) for scan, facts, old, new in ways if old != new]


def way_of(routes: Routes, facts: Facts) -> str:
    """Say in one line what would be done with a scan."""
    choice = explain(routes, facts).choice
    if choice is None:
        return "held: no route"
    return f"rule {choice.rule.name!r}, recipe {choice.recipe_name!r}, to {', '.join(choice.destinations)}"
