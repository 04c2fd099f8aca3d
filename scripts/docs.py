"""Write the pages of docs/ that follow from the code; with --check, say which of them are no longer current."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from gateway.api.app import PATH, create_api
from gateway.dicom.conformance import statement
from gateway.dicom.provenance import attribute_page
from gateway.model.delivery import DELIVERY_TRANSITIONS, DeliveryState
from gateway.model.job import JOB_TRANSITIONS, JobState
from gateway.model.route import Routes
from gateway.model.scan import ScanState
from gateway.mrd.header_paths import FIELDS
from gateway.routing.schema import routes_schema
from gateway.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parents[1]
NOTICE = "<!-- Written by `make docs` from the code; change the code, then run it. -->"

Schema = Mapping[str, Any]
Transitions = Mapping[tuple[Any, Any], Any]


STATES = """\
# States

Every state of a scan, a job and a delivery, and the only ways from one to the next. Each step is a row in the audit
trail: who, what, when, why.

## Scan

{scan}

A session with a scanner is RECEIVING until it ends in one of the others. Only COMPLETE goes on by itself.

## Job

One reconstruction of one recording.

{job}

## Delivery

One series on its way to one destination.

{delivery}"""

SETTINGS = """\
# Settings

Two files, both TOML. What is unknown or impossible is refused, all faults at once, each with its line.

## gateway.toml

Named by `--config PATH` or the variable `GATEWAY_CONFIG`; without either, everything below has its default. A variable
stands above the file: `{prefix}LISTENER__PORT` is `port` in `[listener]`. `config/gateway.toml` shows every key.

{settings}

## routes.toml

Named by `file` in `[routes]` of gateway.toml. NAME is a name of your own. `config/routes.toml` is an example.

{routes}"""


def states_page() -> str:
    """Draw the transition tables."""
    return STATES.format(
        scan=", ".join(f"`{state}`" for state in ScanState),
        job=_diagram(JobState.QUEUED, JOB_TRANSITIONS),
        delivery=_diagram(DeliveryState.PENDING, DELIVERY_TRANSITIONS),
    )


def _diagram(start: StrEnum, transitions: Transitions) -> str:
    arrows = [f"    {state} --> {after}: {event}" for (state, event), after in transitions.items()]
    return "\n".join(["```mermaid", "stateDiagram-v2", f"    [*] --> {start}", *arrows, "```"])


def settings_page() -> str:
    """List every key of both files."""
    return SETTINGS.format(prefix=PREFIX, settings=_sections(Settings), routes=_sections(Routes))


def _sections(model: type[BaseModel]) -> str:
    schema = model.model_json_schema()
    return "\n\n".join(_section("", schema, schema["$defs"]))


def _section(path: str, schema: Schema, defs: Mapping[str, Schema]) -> Iterator[str]:
    """Tell one table of the file, then those below it."""
    rows, below = [], []
    for key, prop in schema.get("properties", {}).items():
        if tables := list(_tables(prop, defs)):
            below += [(f"{path}.{key}".lstrip(".") + suffix, table) for suffix, table in tables]
        else:
            default = "required" if key in schema.get("required", []) else _default(prop)
            rows.append(f"| `{key}` | {_type(_resolved(prop, defs))} | {default} | {_words(prop)} |")
    if path:
        name = path.replace("[]", "")
        yield f"### [[{name}]]" if path.endswith("[]") else f"### [{name}]"
        yield _words(schema)
    if rows:
        yield "\n".join(["| key | type | default | meaning |", "|---|---|---|---|", *rows])
    for deeper, table in below:
        yield from _section(deeper, table, defs)


def _resolved(prop: Schema, defs: Mapping[str, Schema]) -> Schema:
    """Follow a reference to an enumeration, so that its values are told."""
    target = defs.get(str(prop.get("$ref", "")).rpartition("/")[2], {})
    return {**prop, "enum": target["enum"]} if "enum" in target else prop


def _tables(prop: Schema, defs: Mapping[str, Schema]) -> Iterator[tuple[str, Schema]]:
    """Find the tables that may stand at a key, each with what its name has more than the key."""
    if "$ref" in prop:
        target = defs[prop["$ref"].rpartition("/")[2]]
        if target.get("type") == "object":
            yield "", target
    for choice in prop.get("oneOf", prop.get("anyOf", [])):
        yield from _tables(choice, defs)
    if isinstance(each := prop.get("additionalProperties", prop.get("items")), Mapping):
        inside = ".NAME" if "additionalProperties" in prop else "[]"
        yield from ((inside + suffix, table) for suffix, table in _tables(each, defs))
    for named in prop.get("patternProperties", {}).values():
        yield from ((".NAME" + suffix, table) for suffix, table in _tables(named, defs))


def _words(schema: Schema) -> str:
    return str(schema.get("description", "")).replace("``", "`").replace("\n", " ")


def _default(prop: Schema) -> str:
    match prop.get("default"):
        case None:
            return "none"
        case bool(truth):
            return f"`{str(truth).lower()}`"
        case value:
            return f"`{value}`"


LIMITS = {
    "minimum": "from {}",
    "exclusiveMinimum": "above {}",
    "maximum": "to {}",
    "maxLength": "at most {} characters",
}


def _type(prop: Schema) -> str:
    """Say what a value may be."""
    if "const" in prop:
        return f"`{prop['const']}`"
    if "enum" in prop:
        return ", ".join(f"`{choice}`" for choice in prop["enum"])
    if "anyOf" in prop:
        return " or ".join(_type(choice) for choice in prop["anyOf"] if choice.get("type") != "null")
    if prop.get("type") == "array":
        return f"list of {_type(prop['items'])}"
    limits = [text.format(prop[limit]) for limit, text in LIMITS.items() if limit in prop]
    kind = "secret" if prop.get("writeOnly") else prop.get("format", prop.get("type", "any"))
    return " ".join([kind, *limits])


def cli_page() -> str:
    """Ask typer for its own page."""
    command = [
        sys.executable,
        "-m",
        "typer",
        "gateway.cli",
        "utils",
        "docs",
        "--name",
        "gateway",
        "--title",
        "Commands",
    ]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


API = """\
# API

Everything that the page can do, for programs, under `{path}`. [openapi.json](openapi.json) describes it whole; a
gateway that runs answers the same at `{path}/openapi.json`. What is here stays; what is added is new addresses and
keys.

Make a token with the rights that it needs and no more, and send it with each request:

```
gateway tokens create monitor --scope look --days 365
curl -H "Authorization: Bearer mrgw_..." https://gateway.example.org:8002{path}/jobs?state=HELD
```

The secret is shown once; only its digest is kept. `gateway tokens list` tells which are in use, `gateway tokens revoke`
ends one at once. Whatever a token does is on the audit trail under its name. Ten wrong tokens from one address within a
minute close that address out for the rest of it.

What is wrong is answered as `application/problem+json` (RFC 9457): a sentence in `detail`, and in `faults` everything
that is wrong with what was sent. Lists are newest first; `next` is the `before` of what follows.

| method | address | right | what it does |
|---|---|---|---|
{rows}"""


class Nobody:
    """Stands behind an API that only describes itself."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever is asked of it
        return self


def described() -> dict[str, Any]:
    """Let the API describe itself; nothing behind it is asked."""
    nobody: Any = Nobody()
    return create_api(nobody, site=nobody, pictures=nobody, gate=nobody).openapi()


def openapi() -> str:
    """Write the description down."""
    return json.dumps(described(), indent=1)


def api_page() -> str:
    """List the addresses of the API."""
    rows = [
        f"| {method.upper()} | `{path}` | {', '.join(told['security'][0]['token'])} | {told['summary']} |"
        for path, methods in described()["paths"].items()
        for method, told in methods.items()
    ]
    return API.format(path=PATH, rows="\n".join(rows))


PAGES: Mapping[str, Callable[[], str]] = {
    "docs/conformance.md": statement,
    "docs/attributes.md": lambda: attribute_page(FIELDS),
    "docs/states.md": states_page,
    "docs/settings.md": settings_page,
    "docs/cli.md": cli_page,
    "config/routes.schema.json": routes_schema,
    "docs/openapi.json": openapi,
    "docs/api.md": api_page,
}


def main() -> int:
    """Write the pages, or say which are not current."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a page is not current")
    check = parser.parse_args().check
    stale = []
    for name, page in PAGES.items():
        path = ROOT / name
        text = f"{NOTICE}\n\n{page()}\n" if path.suffix == ".md" else f"{page()}\n"
        if path.exists() and path.read_text() == text:
            continue
        stale.append(name)
        if not check:
            path.write_text(text)
    print(f"{'not current' if check else 'written'}: {', '.join(stale) or 'none'}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
