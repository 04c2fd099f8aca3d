"""The database: there, of this version, and keeping what it was given."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Engine

from gateway.doctor.finding import Finding, bad, doubtful, good
from gateway.jobs.database import durability, schema_of
from gateway.model.errors import GatewayError


def database(engine: Engine) -> Iterator[Finding]:
    """Look at the database."""
    try:
        current, newest = schema_of(engine)
        faults = durability(engine)
    except GatewayError as fault:
        yield bad("database", str(fault), "start it, or check database.url")
        return
    yield good("database", f"{engine.dialect.name} answers")
    if current == newest:
        yield good("schema", f"{current} is this version's")
    elif current is None:
        yield good("schema", f"nothing there yet; {newest} is made at the first start")
    else:
        yield doubtful("schema", f"{current}, this version's is {newest}", "gateway db upgrade, after a backup")
    for one in faults:
        yield bad("durability", one, "set it: what the scanner hears is stored may be lost otherwise")
    if not faults:
        yield good("durability", "what is committed stays, whatever happens")
