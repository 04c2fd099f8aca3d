"""What destinations have proven to keep: requests for storage commitment, reports, and what follows for a delivery.

A request is a row before it is sent; a report is committed before it is answered. It may come at any time, over any
association, after any restart, and twice.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Connection, Engine, Row, delete, func, insert, select, update

from gateway.jobs.audit import Deed, add_deed
from gateway.jobs.clock import Clock
from gateway.jobs.database import reading, writing
from gateway.jobs.events import Event, add_event
from gateway.jobs.tables import commitments, deliveries, delivery_items, instances
from gateway.model.commitment import FAILURES, Report

logger = logging.getLogger(__name__)

MOST_NUMBERS = 500
"""Of one statement; databases have limits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How much of a series a destination has and keeps."""

    n: int
    n_missing: int
    n_unproven: int

    @property
    def sentence(self) -> str:
        """Say it."""
        if self.n_missing:
            return f"the destination does not keep {self.n_missing} of {self.n} instances; they are sent again"
        return f"{self.n - self.n_unproven} of {self.n} instances committed"


class _Told(NamedTuple):
    """Who reports, and when it was asked for."""

    who: str
    requested_at: datetime


class Settler(Protocol):
    """Who draws the consequence for a delivery."""

    def settle(self, connection: Connection, row: Row[Any], who: str) -> None:
        """Do so, in the transaction of the report."""


class Proofs:
    """Transactions of storage commitment."""

    def __init__(self, engine: Engine, clock: Clock, settler: Settler) -> None:
        self._engine = engine
        self._clock = clock
        self._settler = settler

    def request(self, transaction_uid: str, delivery: int) -> None:
        """Note that a delivery's commitment is about to be asked for."""
        with writing(self._engine) as connection:
            row = {"transaction_uid": transaction_uid, "delivery_id": delivery, "requested_at": self._clock()}
            connection.execute(insert(commitments).values(row))

    def taken(self, transaction_uid: str) -> None:
        """Note that the destination has taken the request."""
        with writing(self._engine) as connection:
            mine = commitments.c.transaction_uid == transaction_uid
            connection.execute(update(commitments).where(mine).values(taken=True))

    def answered(self, transaction_uid: str) -> bool:
        """Whether the report has come."""
        query = select(commitments.c.answered_at).where(commitments.c.transaction_uid == transaction_uid)
        with reading(self._engine) as connection:
            return connection.execute(query).scalar_one_or_none() is not None

    def report(self, report: Report, who: str) -> bool:
        """Make a report durable, and draw its consequence; say whether anybody had asked for it."""
        with writing(self._engine) as connection:
            mine = commitments.c.transaction_uid == report.transaction_uid
            asked = connection.execute(select(commitments).where(mine).with_for_update()).one_or_none()
            if asked is None:
                self._unknown(connection, report, who)
                return False
            if asked.answered_at is not None:
                logger.info("commitment reported again", extra={"transaction": report.transaction_uid, "by": who})
                return True
            connection.execute(update(commitments).where(mine).values(answered_at=self._clock()))
            query = select(deliveries).where(deliveries.c.id == asked.delivery_id).with_for_update()
            delivery = connection.execute(query).one()
            self._write_down(connection, delivery, report, _Told(who, asked.requested_at))
            self._settler.settle(connection, delivery, who)
        return True

    def _unknown(self, connection: Connection, report: Report, who: str) -> None:
        """Let people see that somebody reports what nobody has asked."""
        logger.warning("commitment of an unknown transaction", extra={"transaction": report.transaction_uid, "by": who})
        text = f"transaction {report.transaction_uid[:64]}"
        what = "unknown storage commitment refused"
        add_deed(connection, Deed(at=self._clock(), who=who, what=what, text=text))

    def _write_down(self, connection: Connection, delivery: Row[Any], report: Report, told: _Told) -> None:
        """Mark what is kept; what was asked for and is not kept is missing from now on."""
        query = (
            select(instances.c.number, instances.c.sop_instance_uid)
            .join(delivery_items, delivery_items.c.number == instances.c.number)
            .where(
                instances.c.series_id == delivery.series_id,
                delivery_items.c.delivery_id == delivery.id,
            )
        )
        stored = connection.execute(query.add_columns(delivery_items.c.committed_at, delivery_items.c.stored_at)).all()
        kept = [row.number for row in stored if row.sop_instance_uid in report.committed]
        asked_for = [row for row in stored if row.stored_at <= told.requested_at]  # later ones were sent again
        lost = [row for row in asked_for if row.sop_instance_uid not in report.committed and not row.committed_at]
        lost += [row for row in asked_for if row.sop_instance_uid in report.failed and row.committed_at]
        now = self._clock()
        for some in _slices(kept):
            mine = (delivery_items.c.delivery_id == delivery.id, delivery_items.c.number.in_(some))
            connection.execute(update(delivery_items).where(*mine).values(committed_at=now))
        not_kept(connection, delivery.id, [row.number for row in lost])
        reasons = {FAILURES.get(report.failed.get(row.sop_instance_uid, 0), "not mentioned") for row in lost}
        text = f"{len(kept)} of {len(stored)} instances are kept" + (f"; {', '.join(sorted(reasons))}" if lost else "")
        add_event(
            connection,
            Event(
                at=now,
                scan_id=delivery.scan_id,
                job_id=delivery.job_id,
                who=told.who,
                what=f"{delivery.destination}: commitment reported",
                text=text,
            ),
        )


def not_kept(connection: Connection, delivery: int, numbers: Sequence[int]) -> None:
    """Forget that instances were stored."""
    for some in _slices(numbers):
        mine = (delivery_items.c.delivery_id == delivery, delivery_items.c.number.in_(some))
        connection.execute(delete(delivery_items).where(*mine))


def tally(connection: Connection, delivery: Row[Any]) -> Tally:
    """Count what a destination has and keeps."""
    whole = select(func.count()).where(instances.c.series_id == delivery.series_id).scalar_subquery()
    mine = delivery_items.c.delivery_id == delivery.id
    query = select(whole, func.count(), func.count(delivery_items.c.committed_at)).where(mine)
    n, n_stored, n_committed = connection.execute(query).one()
    return Tally(n=n, n_missing=n - n_stored, n_unproven=n - n_committed)


def last_request(connection: Connection, delivery: int) -> datetime | None:
    """Say when a destination took the last request that it has not reported on."""
    query = select(commitments.c.requested_at).where(
        commitments.c.delivery_id == delivery, commitments.c.taken, commitments.c.answered_at.is_(None)
    )
    return connection.execute(query.order_by(commitments.c.requested_at.desc()).limit(1)).scalar_one_or_none()


def _slices(numbers: Sequence[int]) -> list[Sequence[int]]:
    return [numbers[begin : begin + MOST_NUMBERS] for begin in range(0, len(numbers), MOST_NUMBERS)]
