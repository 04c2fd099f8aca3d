"""``routes.toml`` as a JSON Schema, by which editors complete it and mark what is wrong."""

from __future__ import annotations

import json

from gateway.model.route import Routes


def routes_schema() -> str:
    """Write the schema; a first line ``#:schema routes.schema.json`` in the TOML file names it to an editor."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "routes.toml"}
    return json.dumps({**Routes.model_json_schema(), **schema}, indent=1)
