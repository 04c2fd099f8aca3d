"""The queue of deliveries: one series for one destination, instance by instance, stored and then proven to be kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, delete, func, insert, or_, select, text, update

from gateway.jobs.audit import Deed, add_deed
from gateway.jobs.breaker import AWAY, Breaker
from gateway.jobs.clock import Clock
from gateway.jobs.database import lending, writing
from gateway.jobs.lease import Lease, Terms, write_fenced
from gateway.jobs.proofs import Proofs, last_request, not_kept, tally
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
    study_instance_uid: str
    series_instance_uid: str
    instances: tuple[Instance, ...]
    missing: tuple[Instance, ...]
    """What the destination has not confirmed yet."""
    unproven: tuple[Instance, ...]
    """What it has not committed yet, or shown to have; the missing ones among them."""
    stored_at: datetime | None
    """When it confirmed the last one."""
    asked_at: datetime | None
    """When it took a request for commitment of all that is stored, on which it has not reported yet."""
    routes_version: int
    """Whose destination of this name is meant."""

    @property
    def n_instances(self) -> int:
        """How many the series has."""
        return len(self.instances)


class DeliveryQueue(WorkQueue[DeliveryState]):
    """Deliveries; to each destination one at a time, so that its limit of associations holds; none to a dead one."""

    def __init__(self, engine: Engine, clock: Clock, terms: Terms) -> None:
        super().__init__(engine, clock, table=deliveries, transitions=DELIVERY_TRANSITIONS, terms=terms)
        self.breaker = Breaker(engine, clock)
        self.proofs = Proofs(engine, clock, self)

    def prefix(self, row: Row[Any]) -> str:
        """Name the destination on each line."""
        return f"{row.destination}: "

    def acted(self, connection: Connection, row: Row[Any], event: WorkEvent) -> None:
        """Forget what the destination has confirmed, where a person wants everything sent again."""
        if event is WorkEvent.RESEND:
            connection.execute(delete(delivery_items).where(delivery_items.c.delivery_id == row.id))

    def conditions(self) -> Iterable[ColumnElement[bool]]:
        """Leave alone what somebody sends to, what is finished, and who does not answer."""
        return (~_BUSY, _UNFINISHED, deliveries.c.destination.not_in(AWAY))

    def claim(self, owner: str) -> ClaimedDelivery | None:
        """Claim the next delivery that is due, to a destination that nobody is sending to."""
        with lending(self.engine) as connection:
            if connection.dialect.name == "postgresql":  # SQLite has one writer at a time anyway
                connection.execute(_ONE_CLAIM_AT_A_TIME)
            claimed = self.claim_row(connection, owner)
            return _claimed(connection, *claimed) if claimed else None

    def stored(self, claimed: ClaimedDelivery, confirmed: Sequence[tuple[Instance, int]]) -> None:
        """Note instances that the destination has confirmed, with its statuses; this renews the lease."""
        with writing(self.engine) as connection:
            now = self.clock()
            write_fenced(connection, deliveries, claimed.lease, lease_until=self.terms.lease_end(now))
            rows = [
                {"delivery_id": claimed.delivery, "number": instance.number, "status": status, "stored_at": now}
                for instance, status in confirmed
            ]
            if rows:
                connection.execute(insert(delivery_items), rows)
                self._write_down(connection, claimed)

    def _write_down(self, connection: Connection, claimed: ClaimedDelivery) -> None:
        """Put on the audit trail that a patient's images have gone somewhere, once all of them have."""
        mine = select(func.count()).where(delivery_items.c.delivery_id == claimed.delivery)
        if connection.execute(mine).scalar_one() != claimed.n_instances:
            return
        text = f"{claimed.n_instances} instances of job {claimed.job} to {claimed.destination}"
        deed = Deed(at=self.clock(), who=claimed.lease.owner, what=f"deliveries {claimed.delivery} stored", text=text)
        add_deed(connection, deed)

    def _tell(self, connection: Connection, row: Row[Any], event: WorkEvent) -> None:
        """Put on the audit trail, too, what was given up, with what of it has gone all the same."""
        super()._tell(connection, row, event)
        if event not in {WorkEvent.FAIL, WorkEvent.CRASH_AGAIN}:
            return
        kept = tally(connection, row)
        if kept.n_missing:
            text = f"{kept.n - kept.n_missing} of {kept.n} instances of job {row.job_id} to {row.destination}"
            what = f"deliveries {row.id} not stored"
            add_deed(connection, Deed(at=self.clock(), who=row.owner or "gateway", what=what, text=text))

    def succeed(self, claimed: ClaimedDelivery) -> None:
        """Note that the destination has confirmed every instance, and that no further proof is wanted."""
        with writing(self.engine) as connection:
            reason = f"{claimed.n_instances} instances stored"
            self._end(connection, claimed.lease, WorkEvent.SUCCEED, reason=reason)

    def commit(self, claimed: ClaimedDelivery, reason: str) -> None:
        """Note that the destination keeps every instance."""
        with writing(self.engine) as connection:
            mine = delivery_items.c.delivery_id == claimed.delivery
            connection.execute(update(delivery_items).where(mine).values(committed_at=self.clock()))
            self._end(connection, claimed.lease, WorkEvent.COMMIT, reason=reason)

    def resend(self, claimed: ClaimedDelivery, lost: Sequence[Instance], reason: str) -> None:
        """Note that the destination does not keep these instances after all: they are missing again."""
        with writing(self.engine) as connection:
            not_kept(connection, claimed.delivery, [one.number for one in lost])
            self._send_again(connection, self._row(connection, claimed.lease.row), claimed.lease, reason)

    def wait_for_proof(self, claimed: ClaimedDelivery, reason: str, *, until: datetime | None = None) -> None:
        """End an attempt that has sent everything, and look again at a moment, or when it is worth trying.

        What was reported meanwhile decides.
        """
        with writing(self.engine) as connection:
            lease = claimed.lease
            row = self._row(connection, lease.row, lock=True)
            kept = tally(connection, row)
            if kept.n_missing:
                self._send_again(connection, row, lease, kept.sentence)
            elif not kept.n_unproven:
                self._end(connection, lease, WorkEvent.COMMIT, reason=kept.sentence)
            elif self.is_too_old(row):
                self._end(connection, lease, WorkEvent.HOLD, reason=f"given up waiting for a proof: {reason}")
            else:
                again = until or self.clock() + self.terms.wait(lease.attempt, self._random)
                waits = {"run_at": again, "finished_at": None}
                self._end(connection, lease, WorkEvent.SUCCEED, reason=f"{kept.n} instances stored; {reason}", **waits)

    def settle(self, connection: Connection, row: Row[Any], who: str) -> None:
        """Let a report decide about a delivery that nobody works on; whoever works on one does it at its end."""
        if row.state not in {DeliveryState.STORED, DeliveryState.COMMITTED}:
            return
        kept = tally(connection, row)
        if kept.n_missing:
            self._send_again(connection, row, who, kept.sentence)
        elif not kept.n_unproven and row.state == DeliveryState.STORED:
            self._move(connection, row, WorkEvent.COMMIT, who=who, reason=kept.sentence)

    def _send_again(self, connection: Connection, row: Row[Any], by: Lease | str, why: str) -> None:
        """Send what is missing again, after a wait that grows; or, after too long, never."""
        again = self.clock() + self.terms.wait(row.attempt, self._random)
        event = WorkEvent.POSTPONE
        values: dict[str, object] = {"reason": why, "finished_at": None, "run_at": again}
        if self.is_too_old(row):
            event, values = WorkEvent.FAIL, {"reason": f"given up: {why}"}
        if isinstance(by, Lease):
            self._end(connection, by, event, **values)
        else:
            self._move(connection, row, event, who=by, **values)


_ONE_CLAIM_AT_A_TIME = text("LOCK TABLE deliveries IN SHARE ROW EXCLUSIVE MODE")

_other = deliveries.alias()
_BUSY = (
    select(_other.c.id)
    .where(_other.c.destination == deliveries.c.destination, _other.c.state == DeliveryState.SENDING)
    .exists()
)
_UNFINISHED = or_(deliveries.c.state != DeliveryState.STORED, deliveries.c.finished_at.is_(None))
"""What is stored is looked at again only as long as a proof is wanted."""


def _claimed(connection: Connection, lease: Lease, row: Row[Any]) -> ClaimedDelivery:
    items = select(delivery_items).where(delivery_items.c.delivery_id == row.id)
    done = {item.number: item for item in connection.execute(items)}
    query = select(instances).where(instances.c.series_id == row.series_id).order_by(instances.c.number)
    files = [_instance(file) for file in connection.execute(query)]
    stored_at = max((item.stored_at for item in done.values()), default=None)
    asked_at = last_request(connection, row.id)
    of = connection.execute(select(series).where(series.c.id == row.series_id)).one()
    return ClaimedDelivery(
        lease=lease,
        delivery=DeliveryId(row.id),
        job=JobId(row.job_id),
        destination=row.destination,
        study_instance_uid=of.study_instance_uid,
        series_instance_uid=of.series_instance_uid,
        instances=tuple(files),
        missing=tuple(file for file in files if file.number not in done),
        unproven=tuple(file for file in files if file.number not in done or done[file.number].committed_at is None),
        stored_at=stored_at,
        asked_at=asked_at if asked_at and stored_at and asked_at >= stored_at else None,
        routes_version=row.routes_version,
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
