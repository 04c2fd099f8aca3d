"""The ways out: every destination that anything ever went to, however much has gone there since."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from gateway.jobs.tables import deliveries


def ways_out(connection: Connection) -> list[str]:
    """Name the destinations, by one step along their index for each: a DISTINCT would read every delivery."""
    first = select(func.min(deliveries.c.destination).label("name")).cte("ways", recursive=True)
    after = select(func.min(deliveries.c.destination)).where(deliveries.c.destination > first.c.name).scalar_subquery()
    ways = first.union_all(select(after).where(first.c.name.is_not(None)))
    return list(connection.execute(select(ways.c.name).where(ways.c.name.is_not(None))).scalars())
