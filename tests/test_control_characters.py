"""Control characters in whatever people, programs and scanners send: refused or shown harmlessly, on both databases.

PostgreSQL stores no NUL at all; a name that only SQLite takes is a page that breaks after the move.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import tomlkit
from fastapi import FastAPI
from sqlalchemy import Engine

from gateway.api.app import PATH
from gateway.app import listening
from gateway.model.person import Right, Role
from gateway.mrd import messages
from gateway.mrd.client import send_session
from gateway.serving import page_of
from gateway.stations import Stations, open_stations
from tests.jobs.conftest import clock, engine, postgres, sqlite
from tests.running import configured
from tests.web.scene import Scene
from tests.web.test_door import NEEDS, PUBLIC
from tests.web.visits import account, browser, csrf, sign_in

__all__ = ["clock", "engine", "postgres", "sqlite"]

BAD = ("\0", "\x0b", "\x1b", "\x85")
FIELDS = "name password again reason recipe comment text candidate decision role back job rights days who until"


@pytest.fixture
def stations(engine: Engine, tmp_path: Path) -> Iterator[Stations]:
    """A site on either database, where a scan has come in and its job is held."""
    config = configured(tmp_path / "site", {"shelf": {"kind": "folder", "path": "shelf"}})
    settings = tomlkit.parse(config.read_text())
    settings["database"] = {"url": engine.url.render_as_string(hide_password=False)}
    config.write_text(tomlkit.dumps(settings))
    opened = open_stations(config)
    scene = Scene(opened.jobs.engine)
    scene.finish(to=("shelf",))
    claimed = scene.start()
    scene.jobs.hold(claimed.lease, "a person has to look")
    yield opened
    opened.jobs.engine.dispose()


@pytest.fixture
def served(stations: Stations) -> FastAPI:
    page = page_of(stations)
    page.state.live.close()
    return page


def test_no_form_and_no_address_of_the_page_breaks(served: FastAPI, stations: Stations) -> None:
    account(stations.people, "admin", Role.ADMIN)
    visit = browser(served)
    assert sign_in(visit, "admin") == 303
    token = csrf(visit)
    for method, path in sorted({*NEEDS, *((one, path) for path in PUBLIC for one in ("GET", "POST"))}):
        if path.endswith("/live") or path.startswith("/health"):
            continue
        for bad in BAD:
            if "{" in path:
                spelled = path.format_map(
                    dict.fromkeys(("number", "image", "deed", "scan", "secret", "code"), f"1{quote(bad)}")
                )
                assert visit.request(method, spelled, data={"csrf": token}).status_code < 500, (method, path, bad)
            whole = path.format(number=2, image=1, deed="release", scan="0" * 32, secret="x", code="x")  # noqa: S106
            assert visit.get(f"{whole}?before=%00&page=1{quote(bad)}&job={quote(bad)}").status_code < 500
            if method == "POST" and path != "/sign-out":
                form = {"csrf": token, **dict.fromkeys(FIELDS.split(), f"a{bad}b")}
                assert visit.post(whole, data=form).status_code < 500, (path, bad)
    assert stations.audit.verify()[0] > 0


def _filled(schema: dict[str, Any], schemas: dict[str, Any], bad: str) -> Any:  # noqa: ANN401 - JSON of any shape
    """Fill a body so that every text in it has a control character."""
    if "$ref" in schema:
        return _filled(schemas[schema["$ref"].rpartition("/")[2]], schemas, bad)
    if "enum" in schema:
        return schema["enum"][0]
    if some := [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]:
        return _filled(some[0], schemas, bad)
    if schema.get("type") == "object":
        return {name: _filled(one, schemas, bad) for name, one in schema.get("properties", {}).items()}
    if schema.get("type") == "array":
        return [_filled(schema["items"], schemas, bad)]
    return {"integer": 1, "number": 1, "boolean": False}.get(schema.get("type", ""), f"a{bad}b")


def test_no_body_and_no_address_of_the_api_breaks(served: FastAPI, stations: Stations) -> None:
    secret = stations.tokens.create("all", set(Right), who="test", days=1).secret
    program = browser(served)
    program.headers["Authorization"] = f"Bearer {secret}"
    told = program.get(f"{PATH}/openapi.json").json()
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
            for bad in BAD:
                spelled = path.replace("{", "\0").replace("}", "\0").split("\0")
                broken = "".join(f"1{quote(bad)}" if number % 2 else part for number, part in enumerate(spelled))
                there = "".join("1" if number % 2 else part for number, part in enumerate(spelled))
                more = {"json": _filled(body, told["components"]["schemas"], bad)} if body else {}
                for where in (broken, there, f"{there}?before={quote(bad)}&limit=1{quote(bad)}"):
                    answer = program.request(method, f"{PATH}{where}", **more)
                    assert answer.status_code < 500, (method, path, bad, answer.text)
    assert stations.audit.verify()[0] > 0


COMMANDS = (
    ("users", "invite", "a{}b"),
    ("tokens", "create", "a{}b", "--scope", "look"),
    ("jobs", "hold", "1", "--reason", "a{}b"),
    ("jobs", "list", "--state", "a{}b"),
    ("scans", "show", "a{}b"),
    ("pacs", "echo", "a{}b"),
    ("routes", "apply", "--comment", "a{}b"),
    ("audit", "list"),
    ("users", "list"),
    ("tokens", "list"),
)


MANY = """
import json, sys
from gateway.cli import main
for call in json.loads(sys.argv[1]):
    sys.argv = ["gateway", *call]
    try:
        main()
    except SystemExit:
        pass
    print("ended", flush=True)
"""
"""Commands one after the other: an interpreter for each would take long."""


def test_no_command_breaks_and_none_sends_a_control_character_to_the_terminal(stations: Stations) -> None:
    """An argument of a command cannot hold a NUL; the others can."""
    calls = [[word.format("\x1b[31m\x07") for word in call] for call in COMMANDS]
    config = str(stations.settings.data.folder.parent / "gateway.toml")
    done = subprocess.run(
        [sys.executable, "-c", MANY, json.dumps(calls)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "GATEWAY_CONFIG": config, "COLUMNS": "200"},
    )
    assert "Traceback" not in done.stderr
    assert done.stdout.count("ended") == len(calls), done.stderr
    assert "\x1b[31m" not in done.stdout + done.stderr
    assert "\x07" not in done.stdout + done.stderr


def test_a_name_from_the_wire_loses_no_scan(stations: Stations) -> None:
    """A recipe that a scanner asks for is 1,024 bytes of anything."""
    for asked in (b"a\0b", b"\1\x1b[31m", b"x" * 1024, "\ud800".encode("utf-8", "surrogatepass")):
        _send(asked, stations)
    assert len(stations.queries.scans()) == 2 + 4


def _send(asked: bytes, stations: Stations) -> None:
    named = messages.config_file("fft")[:2] + asked.ljust(1024, b"\0")
    with listening(stations) as listener:
        stream = [named, messages.header(b"<ismrmrdHeader/>"), messages.close()]
        send_session(stream, "127.0.0.1", listener.port, on_sent=lambda _n: None)
