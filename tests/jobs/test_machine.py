"""Anything that can happen to jobs, in any order: a machine that hypothesis drives, beside a model that only counts."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import select

from gateway.jobs.database import open_database, reading, upgrade
from gateway.jobs.lease import Lease
from gateway.jobs.queries import Queries
from gateway.jobs.reconstructions import ClaimedJob, JobQueue
from gateway.jobs.scans import ScanStore
from gateway.jobs.tables import events, jobs
from gateway.model.errors import IllegalTransition, LostLease
from gateway.model.job import JOB_TRANSITIONS, JobState
from gateway.model.work import WorkEvent
from tests.jobs.conftest import TERMS, TurnedClock, seal

ENDS: dict[WorkEvent, Callable[[JobQueue, Lease], None]] = {
    WorkEvent.POSTPONE: lambda queue, lease: queue.postpone(lease, "no room"),
    WorkEvent.HOLD: lambda queue, lease: queue.hold(lease, "58 of 96 lines"),
    WorkEvent.FAIL: lambda queue, lease: queue.fail(lease, "no"),
}
PERSON = (WorkEvent.HOLD, WorkEvent.RELEASE, WorkEvent.CANCEL, WorkEvent.RETRY)


class Table(RuleBasedStateMachine):
    """The table and what we know of it: the state of each job, who works on it, and who only thinks so."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.engine = open_database(f"sqlite:///{Path(self.folder.name)}/gateway.db")
        upgrade(self.engine)
        self.clock = TurnedClock()
        self.queue = JobQueue(self.engine, self.clock, TERMS)
        self.scans = ScanStore(self.engine, self.clock)
        self.states: dict[int, JobState] = {}
        self.live: dict[int, ClaimedJob] = {}
        self.stale: list[ClaimedJob] = []
        self.n_events = 0

    def teardown(self) -> None:
        self.engine.dispose()
        self.folder.cleanup()

    @rule()
    def arrive(self) -> None:
        job = self.scans.finish(seal(len(self.states) + 1), "key")[2]
        assert job is not None
        self.states[job] = JobState.QUEUED

    @rule()
    def claim(self) -> None:
        claimed = self.queue.claim("w")
        waiting = [job for job, state in self.states.items() if state is JobState.QUEUED]
        if claimed is None:
            return
        assert claimed.job in waiting
        self.states[claimed.job] = JobState.RUNNING
        self.live[claimed.job] = claimed

    @precondition(lambda self: self.live)
    @rule(end=st.sampled_from(sorted(ENDS)))
    def end(self, end: WorkEvent) -> None:
        job, claimed = self.live.popitem()
        old = Queries(self.engine).job(job).created_at
        gone = end is WorkEvent.POSTPONE and (self.clock() - old).total_seconds() > TERMS.give_up_after_s
        ENDS[end](self.queue, claimed.lease)
        self.states[job] = JOB_TRANSITIONS[JobState.RUNNING, WorkEvent.FAIL if gone else end]
        self.stale.append(claimed)

    @precondition(lambda self: self.live)
    @rule()
    def succeed(self) -> None:
        job, claimed = self.live.popitem()
        self.queue.succeed(claimed, [], ["pacs"])
        self.states[job] = JobState.DONE
        self.stale.append(claimed)

    @precondition(lambda self: self.stale)
    @rule(end=st.sampled_from(sorted(ENDS)))
    def write_late(self, end: WorkEvent) -> None:
        for claimed in self.stale:
            with pytest.raises(LostLease):
                ENDS[end](self.queue, claimed.lease)

    @precondition(lambda self: self.states)
    @rule(event=st.sampled_from(PERSON), which=st.integers(0))
    def act(self, event: WorkEvent, which: int) -> None:
        job = list(self.states)[which % len(self.states)]
        if (after := JOB_TRANSITIONS.get((self.states[job], event))) is None:
            with pytest.raises(IllegalTransition):
                self.queue.act(job, event, who="anna")
            return
        assert self.queue.act(job, event, who="anna") is after
        self.states[job] = after
        if job in self.live:
            self.stale.append(self.live.pop(job))

    @rule(seconds=st.sampled_from([1, TERMS.lease_s + 1, TERMS.retry_longest_s]))
    def wait(self, seconds: float) -> None:
        self.clock.turn(seconds)
        for claimed in self.live.values():
            self.queue.renew(claimed.lease)

    @precondition(lambda self: self.live)
    @rule()
    def die(self) -> None:
        self.clock.turn(TERMS.lease_s + 1)
        assert self.queue.reap() == len(self.live)
        for job, claimed in self.live.items():
            self.states[job] = Queries(self.engine).job(job).state
            assert self.states[job] in (JobState.QUEUED, JobState.QUARANTINED)
            self.stale.append(claimed)
        self.live.clear()

    @invariant()
    def every_job_is_where_the_model_has_it(self) -> None:
        with reading(self.engine) as connection:
            rows = connection.execute(select(jobs)).all()
            n_events = len(connection.execute(select(events.c.id)).all())
        assert {row.id: row.state for row in rows} == self.states
        for row in rows:
            working = row.state == JobState.RUNNING
            assert (row.owner is not None) == (row.lease_until is not None) == working
            assert not working or row.attempt == self.live[row.id].lease.attempt
        assert n_events >= self.n_events
        self.n_events = n_events


TestTable = Table.TestCase
TestTable.settings = settings(max_examples=25, stateful_step_count=30)
