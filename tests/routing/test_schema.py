"""The schema accepts what the gateway accepts, in its own words."""

from __future__ import annotations

import json
from pathlib import Path

from gateway.model.match import Match
from gateway.routing.schema import routes_schema
from gateway.routing.text import parse_routes

CONFIG = Path(__file__).parents[2] / "config"


def test_the_example_names_the_schema_beside_it_which_is_the_one_in_force() -> None:
    text = (CONFIG / "routes.toml").read_text()
    named = text.splitlines()[0].removeprefix("#:schema ")
    assert (CONFIG / named).read_text() == f"{routes_schema()}\n"
    assert parse_routes(text, source="routes.toml").rules


def test_editors_are_told_every_key_with_its_meaning() -> None:
    rule = json.loads(routes_schema())["$defs"]["Match"]
    assert rule["additionalProperties"] is False
    assert rule["properties"].keys() == Match.model_fields.keys()
    assert all(field["description"] for field in rule["properties"].values())
