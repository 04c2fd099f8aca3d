"""TOML text checked against a pydantic model: the value, or every fault with its line, its key and what was meant.

Pure: text in, values or sentences out.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gateway.model.errors import RoutesFault
from gateway.model.route import Routes, RuleFaults

Key: TypeAlias = tuple[str | int, ...]
"""Where a value lies in the tree: ``("rules", 0, "match", "protocol")``."""

_MEMBER = re.compile(r"<\w+\.\w+: ('[^']*')>")
"""How Python shows a member of an enumeration; people write its value."""

WORDS = {
    "missing": "is missing",
    "model_type": "must be a table",
    "dict_type": "must be a table",
    "tuple_type": "must be a list",
}
"""For pydantic's errors by type, where ours are plainer for somebody who reads TOML."""


def parse_routes(text: str, *, source: str, folder: Path | None = None) -> Routes:
    """Read ``routes.toml``; relative paths in it start at ``folder`` where one is given.

    Raises
    ------
    RoutesFault
        With all faults; ``source`` says which file they are in.
    """
    try:
        tree = toml_tree(text)
    except tomllib.TOMLDecodeError as error:
        raise RoutesFault(source, [str(error)]) from None
    try:
        routes = Routes.model_validate(tree)
    except ValidationError as error:
        raise RoutesFault(source, faults_of(error, Routes, tree, places=key_places(text))) from None
    return routes if folder is None else _placed(routes, folder)


def _placed(routes: Routes, folder: Path) -> Routes:
    destinations = {name: one.resolved(folder) for name, one in routes.destinations.items()}
    sources = {name: one.resolved(folder) for name, one in routes.sources.items()}
    projects = {name: one.resolved(folder) for name, one in routes.projects.items()}
    return routes.model_copy(update={"destinations": destinations, "sources": sources, "projects": projects})


def toml_tree(text: str) -> dict[str, Any]:
    """Parse TOML; a line's end after the last line makes the parser tell the line where it would say "the end"."""
    return tomllib.loads(f"{text}\n")


def faults_of(
    error: ValidationError, model: type[BaseModel], tree: Mapping[str, Any], *, places: Mapping[Key, str]
) -> list[str]:
    """Tell each fault in one sentence, in the order of ``places``. Values are not repeated: they may be secrets."""
    order = {place: number for number, place in enumerate(places.values())}
    errors = error.errors(include_url=False, include_input=False)
    found = [
        (_place(key, places), sentence)
        for details in errors
        if not _follows(details, errors)
        for key, sentence in _sentences(details, model, tree)
    ]
    found.sort(key=lambda fault: order.get(fault[0], -1))
    return [f"{place}: {sentence}" if place else sentence for place, sentence in found]


def _follows(details: ErrorDetails, errors: Sequence[ErrorDetails]) -> bool:
    """Whether a list is called too short only because everything in it is wrong, which is told anyway."""
    loc = details["loc"]
    return details["type"] == "too_short" and any(one["loc"][: len(loc)] == loc for one in errors if one is not details)


def unknown_key(name: str, known: Sequence[str]) -> str:
    """Say that nobody knows this key, and which one may have been meant."""
    near = get_close_matches(name.lower(), known, n=1)
    return f"unknown key; did you mean {near[0]!r}?" if near else f"unknown key; known here: {', '.join(sorted(known))}"


def key_places(text: str) -> dict[Key, str]:
    """Find the line on which each key of valid TOML text is first named, in the order of the lines, as ``line 7``."""
    places: dict[Key, str] = {}
    tables: dict[Key, int] = {}
    prefix: Key = ()
    for number, statement in _statements(text):
        tree = tomllib.loads(statement)
        if statement.lstrip().startswith("["):
            prefix = _table_key(tree, tables)
            places.setdefault(prefix, f"line {number}")
        else:
            for key in _keys(tree):
                places.setdefault(prefix + key, f"line {number}")
    return places


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Split valid TOML into its statements: the shortest runs of lines that are TOML by themselves."""
    start, statement = 1, ""
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        statement = f"{statement}\n{line}" if statement else line
        if _is_toml(statement):
            yield start, statement
            start, statement = number + 1, ""


def _is_toml(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _table_key(tree: Mapping[str, Any], tables: dict[Key, int]) -> Key:
    """Resolve a table's header, alone in ``tree``: names that stand for an array get the number of its last table."""
    key: Key = ()
    node: Any = tree
    while node:
        name, node = next(iter(node.items()))
        key += (name,)
        if isinstance(node, list):
            tables[key] = tables.get(key, -1) + 1
            node = node[0]
        if key in tables:
            key += (tables[key],)
    return key


def _keys(node: object) -> Iterator[Key]:
    """Walk all keys below a value."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for step, below in items:
        yield (step,)
        yield from ((step, *rest) for rest in _keys(below))


def _place(key: Key, places: Mapping[Key, str]) -> str:
    """Find the place of the key or of the nearest thing around it; empty where there is none."""
    return next((places[key[:length]] for length in range(len(key), 0, -1) if key[:length] in places), "")


def _sentences(details: ErrorDetails, model: type[BaseModel], tree: Mapping[str, Any]) -> Iterator[tuple[Key, str]]:
    cause = details.get("ctx", {}).get("error")
    if isinstance(cause, RuleFaults):
        yield from ((("rules", number), sentence) for number, sentence in cause.faults)
        return
    key = _key(details["loc"], tree)
    what = _MEMBER.sub(r"\1", details["msg"].removeprefix("Value error, "))
    if details["type"] == "extra_forbidden":
        what = unknown_key(str(key[-1]), _known(model, details["loc"][:-1]))
    yield key, ": ".join(filter(None, (".".join(map(str, key)), WORDS.get(details["type"], what))))


def _key(loc: Key, tree: Mapping[str, Any]) -> Key:
    """Drop from pydantic's location what is no key of the file: ``[key]``, and the tags of discriminated unions."""
    key: Key = ()
    node: Any = tree
    for step in loc:
        values = node if isinstance(node, dict) else dict(enumerate(node)) if isinstance(node, list) else {}
        is_tag = step not in values and step in values.values()
        if step != "[key]" and not is_tag:
            key, node = (*key, step), values.get(step)
    return key


def _known(model: type[BaseModel], loc: Key) -> list[str]:
    """List the keys that the model has at a location."""
    models = [model]
    for step in loc:
        fields = [each.model_fields[step] for each in models if step in each.model_fields]
        tagged = [each for each in models if any(field.default == step for field in each.model_fields.values())]
        models = [each for field in fields for each in _models(field.annotation)] or tagged or models
    return [name for each in models for name in each.model_fields]


def _models(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]
