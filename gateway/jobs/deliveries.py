"""The queue of deliveries: one series for one destination, instance by instance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, insert, select, text

from gateway.jobs.absence import Absences
from gateway.jobs.breaker import Breaker
from gateway.jobs.clock import Clock
from gateway.jobs.database import writing
from gateway.jobs.lease import Lease, Terms, write_fenced
from gateway.jobs.queue import WorkQueue
from gateway.jobs.tables import deliveries, delivery_items, instances, series
from gateway.model.delivery import DELIVERY_TRANSITIONS, DeliveryState
from gateway.model.ids import DeliveryId, JobId
from gateway.model.series import Instance
from gateway.model.work import WorkEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedDelivery:
    """A delivery that is ours until its lease ends."""

    lease: Lease
    delivery: DeliveryId
    job: JobId
    destination: str
    series_instance_uid: str
    missing: tuple[Instance, ...]
    """What the destination has not confirmed yet."""
    n_instances: int
    routes_version: int
    """Whose destination of this name is meant."""


class DeliveryQueue(WorkQueue[DeliveryState]):
    """Deliveries; to each destination one at a time, so that its limit of associations holds; none to a dead one."""

    def __init__(self, engine: Engine, clock: Clock, terms: Terms) -> None:
        super().__init__(engine, clock, table=deliveries, transitions=DELIVERY_TRANSITIONS, terms=terms)
        self.breaker = Breaker(Absences(engine, clock).note)

    def prefix(self, row: Row[Any]) -> str:
        """Name the destination on each line."""
        return f"{row.destination}: "

    def acted(self, connection: Connection, row: Row[Any], event: WorkEvent) -> None:
        """Forget what the destination has confirmed, where a person wants everything sent again."""
        if event is WorkEvent.RESEND:
            connection.execute(delete(delivery_items).where(delivery_items.c.delivery_id == row.id))

    def claim(self, owner: str) -> ClaimedDelivery | None:
        """Claim the next delivery that is due, to a destination that nobody is sending to."""
        with writing(self.engine) as connection:
            if connection.dialect.name == "postgresql":  # SQLite has one writer at a time anyway
                connection.execute(_ONE_CLAIM_AT_A_TIME)
            claimed = self.claim_row(connection, owner, [~_BUSY, deliveries.c.destination.not_in(self.breaker.open())])
            if claimed is None:
                return None
            lease, row = claimed
            stored = select(delivery_items.c.number).where(delivery_items.c.delivery_id == row.id)
            done = set(connection.execute(stored).scalars())
            query = select(instances).where(instances.c.series_id == row.series_id).order_by(instances.c.number)
            files = connection.execute(query).all()
            uid = select(series.c.series_instance_uid).where(series.c.id == row.series_id)
            return ClaimedDelivery(
                lease=lease,
                delivery=DeliveryId(row.id),
                job=JobId(row.job_id),
                destination=row.destination,
                series_instance_uid=connection.execute(uid).scalar_one(),
                missing=tuple(_instance(file) for file in files if file.number not in done),
                n_instances=len(files),
                routes_version=row.routes_version,
            )

    def stored(self, claimed: ClaimedDelivery, instance: Instance, status: int) -> None:
        """Note that the destination has confirmed one instance; this renews the lease."""
        with writing(self.engine) as connection:
            now = self.clock()
            write_fenced(connection, deliveries, claimed.lease, lease_until=self.terms.lease_end(now))
            row = {"delivery_id": claimed.delivery, "number": instance.number, "status": status, "stored_at": now}
            connection.execute(insert(delivery_items).values(row))

    def succeed(self, claimed: ClaimedDelivery) -> None:
        """Note that the destination has confirmed every instance."""
        with writing(self.engine) as connection:
            reason = f"{claimed.n_instances} instances stored"
            self._end(connection, claimed.lease, WorkEvent.SUCCEED, reason=reason)


_ONE_CLAIM_AT_A_TIME = text("LOCK TABLE deliveries IN SHARE ROW EXCLUSIVE MODE")

_other = deliveries.alias()
_BUSY = (
    select(_other.c.id)
    .where(_other.c.destination == deliveries.c.destination, _other.c.state == DeliveryState.SENDING)
    .exists()
)


def _instance(row: Row[Any]) -> Instance:
    return Instance(
        sop_class_uid=row.sop_class_uid,
        sop_instance_uid=row.sop_instance_uid,
        number=row.number,
        path=row.path,
        sha256=row.sha256,
        n_bytes=row.n_bytes,
    )
