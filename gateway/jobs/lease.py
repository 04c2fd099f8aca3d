"""Leases: one worker at a time, and whoever lost its lease cannot write any more.

A claim takes the next row, counts the attempt and sets an end. The attempt number fences: every later write names the
owner and the attempt it was given, and changes nothing once somebody else has the row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, Connection, Executable, Row, Table, bindparam, or_, select, update

from gateway.jobs.columns import Utc
from gateway.model.errors import LostLease


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to work on one row."""

    row: int
    owner: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How long a lease lasts, how failed work is tried again, and when that ends."""

    lease_s: float = 60
    max_crashes: int = 3
    retry_first_s: float = 15
    retry_longest_s: float = 900
    give_up_after_s: float = 72 * 3600

    def lease_end(self, now: datetime) -> datetime:
        """Say when a lease taken now runs out."""
        return now + timedelta(seconds=self.lease_s)

    def wait(self, attempt: int, random: Random) -> timedelta:
        """Say how long to wait after an attempt (counted from 1): doubling, capped, spread over its upper half."""
        whole = min(self.retry_longest_s, self.retry_first_s * 2.0 ** min(attempt - 1, 32))
        return timedelta(seconds=whole * random.uniform(0.5, 1.0))


FREE: Mapping[str, None] = MappingProxyType({"owner": None, "lease_until": None})
"""Columns of a row that nobody works on."""


def _due(table: Table) -> ColumnElement[bool]:
    """Find what need not wait any longer.

    A clock that was ahead has left moments behind that are far away: what was never tried waits for nothing all the
    same, and nothing waits for longer than it is tried at all.
    """
    now, never = bindparam("now", type_=Utc()), bindparam("never", type_=Utc())
    return or_(table.c.run_at <= now, table.c.attempt == 0, table.c.run_at > never)


def lapsed(table: Table, now: datetime, terms: Terms) -> ColumnElement[bool]:
    """Find the leases that have run out; one that ends later than any given now is of a clock that was ahead."""
    never = terms.lease_end(terms.lease_end(now))
    return or_(table.c.lease_until < now, table.c.lease_until > never)


def claim_statement(table: Table, where: Iterable[ColumnElement[bool]], state: str) -> Executable:
    """Write how the next row that may be claimed is: highest priority first, then the oldest.

    Built once for each queue: that takes longer than to run it.
    """
    first = (
        select(table.c.id)
        .where(*where, _due(table))
        .order_by(table.c.priority.desc(), table.c.run_at, table.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    ours = {"state": state, "owner": bindparam("by"), "lease_until": bindparam("until", type_=Utc())}
    return (
        update(table)
        .where(table.c.id == first.scalar_subquery())
        .values(attempt=table.c.attempt + 1, reason="", **ours)
        .returning(*table.c)
    )


def claim_row(
    connection: Connection, statement: Executable, owner: str, *, now: datetime, terms: Terms
) -> Row[Any] | None:
    """Claim the next row that may be claimed."""
    never = now + timedelta(seconds=terms.give_up_after_s)
    values = {"by": owner, "until": terms.lease_end(now), "now": now, "never": never}
    return connection.execute(statement, values).one_or_none()


def write_fenced(connection: Connection, table: Table, lease: Lease, **values: object) -> None:
    """Write to a row that is ours.

    Raises
    ------
    LostLease
        It is not, any more.
    """
    ours = (table.c.id == lease.row, table.c.owner == lease.owner, table.c.attempt == lease.attempt)
    if connection.execute(update(table).where(*ours).values(**values)).rowcount != 1:
        raise LostLease(f"{table.name} {lease.row}, attempt {lease.attempt}, is no longer ours")


def abandoned_rows(connection: Connection, table: Table, state: str, gone: ColumnElement[bool]) -> list[Row[Any]]:
    """Find the rows that are worked on by nobody any more."""
    return list(connection.execute(select(table).where(table.c.state == state, gone).with_for_update()))
