"""Try routes without any scan moving: what would become of a file, and whether expectations hold."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from gateway.jobs.queries import Queries
from gateway.model.errors import RoutesFault, UnreadableFile, WrongCall
from gateway.model.route import Routes
from gateway.mrd.files import stream_of
from gateway.mrd.header import parse_header
from gateway.routing.choose import Explanation, explain
from gateway.routing.facts import Facts, facts_of, facts_told
from gateway.routing.text import faults_of, key_places, toml_tree


class Expectation(BaseModel):
    """One file of a folder of expectations: this scan must go this way."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scan: Facts
    """What is known of it."""
    held: bool = False
    """Whether no rule may take it."""
    rule: str | None = None
    """The rule that must take it."""
    recipe: str | None = None
    """The recipe that it must get."""
    destinations: tuple[str, ...] | None = None
    """Where it must go, in this order."""


def facts_in_file(scan: Path, *, source: str, recipe: str) -> Facts:
    """Read what rules would know of the scan in a file.

    Raises
    ------
    UnreadableFile
        The file holds no scan.
    BadHeader
        Its header cannot be understood.
    """
    content, _ = stream_of(scan, recipe)
    if not content.header_xml:
        raise UnreadableFile(scan, "holds no header")
    return facts_of(parse_header(content.header_xml), source=source, recipe_asked=recipe)


def facts_of_scan(queries: Queries, scan: str, *, source: str, recipe: str) -> Facts:
    """Say what rules know of the scan in a file, or of one that came in, by the beginning of its id.

    Raises
    ------
    WrongCall
        There is neither such a file nor such a scan.
    """
    if Path(scan).is_file():
        return facts_in_file(Path(scan), source=source, recipe=recipe)
    return facts_told(queries.scan(scan).facts)


def hold_against(folder: Path, routes: Routes) -> dict[str, list[str]]:
    """Hold routes against a folder of expectations: by file, the points that are not met.

    Raises
    ------
    WrongCall
        There are none.
    RoutesFault
        One of them says something impossible.
    """
    found = {path.name: disappointments(read_expectation(path), routes) for path in sorted(folder.glob("*.toml"))}
    if not found:
        raise WrongCall(f"{folder} holds no expectations: no file there ends in .toml")
    return found


def read_expectation(path: Path) -> Expectation:
    """Read one expectation.

    Raises
    ------
    RoutesFault
        It cannot be read, or says something impossible.
    """
    try:
        text = path.read_text(encoding="utf-8")
        tree = toml_tree(text)
    except OSError as error:
        raise RoutesFault(str(path), [f"cannot be read: {error.strerror}"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RoutesFault(str(path), [str(error)]) from None
    try:
        return Expectation.model_validate(tree)
    except ValidationError as error:
        raise RoutesFault(str(path), faults_of(error, Expectation, tree, places=key_places(text))) from None


def disappointments(expectation: Expectation, routes: Routes) -> list[str]:
    """Say in which points a scan does not go the way that is expected; nothing where all are met."""
    found = explain(routes, expectation.scan)
    if expectation.held or found.choice is None:
        return [] if expectation.held and found.choice is None else [_way(found)]
    points = (
        ("rule", expectation.rule, found.choice.rule.name),
        ("recipe", expectation.recipe, found.choice.recipe_name),
        ("destinations", expectation.destinations, tuple(found.choice.destinations)),
    )
    return [f"{what} is {is_!r}, expected {wanted!r}" for what, wanted, is_ in points if wanted not in (None, is_)]


def _way(found: Explanation) -> str:
    return f"rule {found.choice.rule.name!r} takes it, expected it to be held" if found.choice else found.refusal
