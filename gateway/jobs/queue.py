"""Durable work over one table: claimed under a lease, tried again, and moved only as its transition table allows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from random import Random
from typing import Any, Generic

from sqlalchemy import ColumnElement, Connection, Engine, Executable, Row, Table, select, update

from gateway.jobs.audit import Deed, add_deed
from gateway.jobs.clock import Clock
from gateway.jobs.database import lending, writing
from gateway.jobs.events import Event, add_event
from gateway.jobs.lease import FREE, Lease, Terms, abandoned_rows, claim_row, claim_statement, lapsed, write_fenced
from gateway.jobs.notices import Subject, note
from gateway.jobs.route_versions import version_in_force
from gateway.jobs.tallies import count, count_duration
from gateway.model.errors import NothingThere
from gateway.model.work import State, Transitions, WorkEvent, next_state


@dataclass(frozen=True, slots=True, kw_only=True)
class Will:
    """What a person wants to happen, and why."""

    event: WorkEvent
    who: str
    reason: str


class WorkQueue(Generic[State]):
    """One table of work."""

    def __init__(
        self, engine: Engine, clock: Clock, *, table: Table, transitions: Transitions[State], terms: Terms
    ) -> None:
        self.engine = engine
        self.clock = clock
        self.table = table
        self.terms = terms
        self._transitions = transitions
        self._claimable = {state: after for (state, event), after in transitions.items() if event is WorkEvent.CLAIM}
        (self._working,) = set(self._claimable.values())
        self._random = Random()  # noqa: S311 - jitter, not a secret

    @cached_property
    def _claim(self) -> Executable:
        waiting = self.table.c.state.in_(list(self._claimable))
        return claim_statement(self.table, [waiting, *self.conditions()], self._working)

    def conditions(self) -> Iterable[ColumnElement[bool]]:
        """Say what else has to hold for a row that is claimed; for the queues that have more."""
        return ()

    def claim_row(self, connection: Connection, owner: str) -> tuple[Lease, Row[Any]] | None:
        """Claim the next row that is due."""
        row = claim_row(connection, self._claim, owner, now=self.clock(), terms=self.terms)
        if row is None:
            return None
        self._event(connection, row, WorkEvent.CLAIM, who=owner, text=f"attempt {row.attempt}")
        return Lease(row=row.id, owner=owner, attempt=row.attempt), row

    def renew(self, lease: Lease) -> None:
        """Keep a lease alive.

        Raises
        ------
        LostLease
            Somebody else has the row, or a person has stopped the work.
        """
        with lending(self.engine) as connection:
            write_fenced(connection, self.table, lease, lease_until=self.terms.lease_end(self.clock()))

    def note(self, lease: Lease, what: str, text: str = "") -> None:
        """Add a line to the timeline."""
        with writing(self.engine) as connection:
            write_fenced(connection, self.table, lease, owner=lease.owner)
            self._event(connection, self._row(connection, lease.row), what, who=lease.owner, text=text)

    def postpone(self, lease: Lease, reason: str, *, hold_after_s: float | None = None) -> None:
        """Try again later; or, after too long, never; or wait for a person, where it is said after how long."""
        with writing(self.engine) as connection:
            now, row = self.clock(), self._row(connection, lease.row)
            longest, end = (self.terms.give_up_after_s, WorkEvent.FAIL)
            if hold_after_s is not None:
                longest, end = min(longest, hold_after_s), WorkEvent.HOLD
            if now - row.created_at > timedelta(seconds=longest):
                self._end(connection, lease, end, reason=f"given up: {reason}")
                return
            run_at = now + self.terms.wait(lease.attempt, self._random)
            why = f"{reason} (next try at {run_at:%H:%M:%S} UTC)"
            self._end(connection, lease, WorkEvent.POSTPONE, reason=why, run_at=run_at)

    def is_too_old(self, row: Row[Any]) -> bool:
        """Whether it has been tried for so long that a person has to decide."""
        age: timedelta = self.clock() - row.created_at
        return age > timedelta(seconds=self.terms.give_up_after_s)

    def hold(self, lease: Lease, reason: str) -> None:
        """Wait for a person."""
        with writing(self.engine) as connection:
            self._end(connection, lease, WorkEvent.HOLD, reason=reason)

    def fail(self, lease: Lease, reason: str) -> None:
        """Give up."""
        with writing(self.engine) as connection:
            self._end(connection, lease, WorkEvent.FAIL, reason=reason)

    def _end(self, connection: Connection, lease: Lease, event: WorkEvent, **values: object) -> None:
        """End an attempt: the lease is gone, whatever the outcome."""
        state = next_state(self._transitions, self._working, event)
        final = not any(before == state for before, _ in self._transitions) or event in _FINISHES
        finished = {"finished_at": self.clock()} if final else {}
        write_fenced(connection, self.table, lease, **{"state": state, **FREE, **finished, **values})
        row = self._row(connection, lease.row)
        self._event(connection, row, event, who=lease.owner, text=str(values.get("reason", "")))
        self._tell(connection, row, event)

    def _move(self, connection: Connection, row: Row[Any], event: WorkEvent, *, who: str, **values: object) -> None:
        """Move a row that nobody works on."""
        state = next_state(self._transitions, type(self._working)(row.state), event)
        finished = {"finished_at": self.clock()} if event in _FINISHES else {}
        change = update(self.table).where(self.table.c.id == row.id)
        connection.execute(change.values(**{"state": state, **FREE, **finished, **values}))
        self._event(connection, row, event, who=who, text=str(values.get("reason", "")))
        self._tell(connection, row, event)

    def act(self, row_id: int, event: WorkEvent, *, who: str, reason: str = "") -> State:
        """Do what a person asks.

        Raises
        ------
        NothingThere
            There is no such row.
        IllegalTransition
            The state does not allow it.
        """
        released = {"released_by": who} if event is WorkEvent.RELEASE else {}
        with writing(self.engine) as connection:
            return self._act(connection, row_id, Will(event=event, who=who, reason=reason), **released)

    def _act(self, connection: Connection, row_id: int, will: Will, **values: object) -> State:
        row = self._row(connection, row_id, lock=True)
        state = next_state(self._transitions, type(self._working)(row.state), will.event)
        again = self._afresh(connection) if state in self._claimable else {}
        change = update(self.table).where(self.table.c.id == row_id)
        connection.execute(change.values(state=state, reason=will.reason, **FREE, **again, **values))
        self.acted(connection, row, will.event)
        self._event(connection, row, will.event, who=will.who, text=will.reason)
        what = f"{self.table.name} {row_id} {will.event}"
        add_deed(connection, Deed(at=self.clock(), who=will.who, what=what, text=will.reason))
        return state

    def acted(self, connection: Connection, row: Row[Any], event: WorkEvent) -> None:
        """Do what else a person's event changes, in its transaction; for the queues that have more."""

    def _afresh(self, connection: Connection) -> dict[str, object]:
        """Let a row run as if it were new: at once, and by the routes that are in force now."""
        return {"run_at": self.clock(), "crashes": 0, "routes_version": version_in_force(connection)}

    def reap(self, dead_owner: str | None = None) -> int:
        """Take back the work of dead workers; return how many rows."""
        with writing(self.engine) as connection:
            gone = self.table.c.owner == dead_owner if dead_owner else lapsed(self.table, self.clock(), self.terms)
            rows = abandoned_rows(connection, self.table, self._working, gone)
            for row in rows:
                crashes = row.crashes + 1
                event = WorkEvent.CRASH_AGAIN if crashes >= self.terms.max_crashes else WorkEvent.LEASE_EXPIRED
                reason = f"its worker died or lost touch {crashes} time(s)"
                self._take_back(connection, row, event, reason=reason, crashes=crashes)
            return len(rows)

    def interrupt(self, owner: str) -> int:
        """Take back the work of a worker that we have stopped in the middle of it, which is no crash; say how much."""
        with writing(self.engine) as connection:
            rows = abandoned_rows(connection, self.table, self._working, self.table.c.owner == owner)
            for row in rows:
                self._take_back(connection, row, WorkEvent.INTERRUPT, reason="the gateway was stopped while it ran")
            return len(rows)

    def _take_back(
        self, connection: Connection, row: Row[Any], event: WorkEvent, *, reason: str, **values: object
    ) -> None:
        state = next_state(self._transitions, self._working, event)
        change = update(self.table).where(self.table.c.id == row.id)
        connection.execute(change.values(state=state, reason=reason, run_at=self.clock(), **FREE, **values))
        self._event(connection, row, event, who="supervisor", text=reason)
        self._tell(connection, row, event)

    def _tell(self, connection: Connection, row: Row[Any], event: WorkEvent) -> None:
        """Count how long a piece of work took, and write a notice of what nobody asked for."""
        now, columns = self.clock(), self.table.c
        destination = row.destination if "destination" in columns else ""
        if event is WorkEvent.SUCCEED:
            label = destination or row.recipe or ""
            took_s = max(0.0, (now - row.created_at).total_seconds())
            count_duration(connection, f"{self.table.name}_seconds", label, seconds=took_s)
        subject = Subject(queue=self.table.name, row=row.id, job=self._job_of(row), destination=destination)
        note(connection, event, subject, at=now)

    def _row(self, connection: Connection, row_id: int, *, lock: bool = False) -> Row[Any]:
        query = select(self.table).where(self.table.c.id == row_id)
        row = connection.execute(query.with_for_update() if lock else query).one_or_none()
        if row is None:
            raise NothingThere(f"there is no {row_id} among the {self.table.name}")
        return row

    def _event(self, connection: Connection, row: Row[Any], what: str, *, who: str, text: str) -> None:
        """Write to the timeline of the job that the row is or belongs to."""
        if isinstance(what, WorkEvent) and what is not WorkEvent.CLAIM:
            count(connection, self.table.name, what)
        job_id = self._job_of(row)
        line = Event(
            at=self.clock(), scan_id=row.scan_id, job_id=job_id, who=who, what=self.prefix(row) + what, text=text
        )
        add_event(connection, line)

    def _job_of(self, row: Row[Any]) -> int:
        return int(row.id if "job_id" not in self.table.c else row.job_id)

    def prefix(self, row: Row[Any]) -> str:  # noqa: ARG002 - for the queues that say more
        """Begin each line that this queue writes to a timeline."""
        return ""


_FINISHES = (WorkEvent.SUCCEED, WorkEvent.FAIL, WorkEvent.COMMIT)
