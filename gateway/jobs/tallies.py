"""Tallies: how often what happened, and how long it took, counted in the transaction that does it.

So a figure is as exact as the state itself, survives every restart, is the same for every process that is asked, and
costs a handful of rows to read, however much has happened.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, Engine, select
from sqlalchemy.dialects import postgresql, sqlite

from gateway.jobs.database import reading
from gateway.jobs.tables import tallies

BOUNDS_S = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 14_400.0, 86_400.0, 259_200.0)
"""Durations are counted by the first of these that is not shorter; what is longer than all stands behind them."""

INSERT: Mapping[str, Callable[..., Any]] = MappingProxyType({"sqlite": sqlite.insert, "postgresql": postgresql.insert})


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """One row."""

    metric: str
    label: str
    bucket: int
    """Of durations, the number of their bound; else 0."""
    count: int
    total: float


def count(connection: Connection, metric: str, label: str, *, amount: float = 0.0) -> None:
    """Count one event, and what came with it."""
    _add(connection, metric, label, 0, amount)


def count_duration(connection: Connection, metric: str, label: str, *, seconds: float) -> None:
    """Count something that took so long."""
    _add(connection, metric, label, bisect_left(BOUNDS_S, seconds), seconds)


def _add(connection: Connection, metric: str, label: str, bucket: int, amount: float) -> None:
    row = {"metric": metric, "label": label, "bucket": bucket, "count": 1, "total": amount}
    more = {"count": tallies.c.count + 1, "total": tallies.c.total + amount}
    statement = INSERT[connection.dialect.name](tallies).values(row)
    key = [tallies.c.metric, tallies.c.label, tallies.c.bucket]
    connection.execute(statement.on_conflict_do_update(index_elements=key, set_=more))


def all_tallies(engine: Engine) -> list[Tally]:
    """Read everything that was counted."""
    with reading(engine) as connection:
        rows = connection.execute(select(tallies).order_by(tallies.c.metric, tallies.c.label, tallies.c.bucket))
        return [Tally(**row._mapping) for row in rows]  # noqa: SLF001 - the row as names
