"""What was sent where: a delivery with what an auditor wants to know of it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine, select

from gateway.jobs.database import reading
from gateway.jobs.tables import deliveries, instances, series


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """A delivery, as its rows tell."""

    destination: str
    routes_version: int
    """Whose destination of this name is meant."""
    study_instance_uid: str
    sop_class_uid: str
    n_instances: int
    path: str
    """Of its first instance, below the outbox."""


def transfer(engine: Engine, delivery: int) -> Transfer | None:
    """Look a delivery up; nothing where there is none."""
    query = (
        select(deliveries.c.destination, deliveries.c.routes_version, series.c.study_instance_uid, instances)
        .join(series, series.c.id == deliveries.c.series_id)
        .join(instances, instances.c.series_id == series.c.id)
        .where(deliveries.c.id == delivery)
        .order_by(instances.c.number)
    )
    with reading(engine) as connection:
        rows = connection.execute(query).all()
    if not rows:
        return None
    first = rows[0]
    return Transfer(
        destination=first.destination,
        routes_version=first.routes_version,
        study_instance_uid=first.study_instance_uid,
        sop_class_uid=first.sop_class_uid,
        n_instances=len(rows),
        path=first.path,
    )
