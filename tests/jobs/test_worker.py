from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import Engine

from gateway.jobs.bell import Bell, Pace, ringing
from gateway.jobs.clock import utc_now
from gateway.jobs.lease import Lease
from gateway.jobs.overview import Overview
from gateway.jobs.queries import Queries
from gateway.jobs.reconstructions import ClaimedJob, JobQueue
from gateway.jobs.worker import owner_name, work
from gateway.model.errors import BadScan, GatewayError, PeerRefused, StorageFault
from gateway.model.ids import JobId
from gateway.model.job import JobState
from gateway.model.work import WorkEvent

PACE = Pace(poll_s=0.01, heartbeat_s=0.02, trouble_s=0.01)


def run_one(jobs: JobQueue, run: Callable[[ClaimedJob], None]) -> None:
    stop = threading.Event()

    def once(job: ClaimedJob) -> None:
        stop.set()
        run(job)

    work(jobs, once, owner="w1", bell=Bell(stop, 0.01), pace=PACE)


@pytest.mark.parametrize(
    ("error", "state", "words"),
    [
        (StorageFault("disk full"), JobState.QUEUED, "disk full"),
        (BadScan("58 of 96 lines"), JobState.HELD, "58 of 96 lines"),
        (PeerRefused("no"), JobState.FAILED, "no"),
        (GatewayError("plain"), JobState.FAILED, "plain"),
        (ZeroDivisionError("secret"), JobState.FAILED, "a fault of ours (ZeroDivisionError)"),
    ],
)
def test_an_error_becomes_its_outcome(
    jobs: JobQueue,
    queries: Queries,
    new_job: Callable[[int], JobId],
    error: Exception,
    state: JobState,
    words: str,
) -> None:
    new_job(1)

    def fail(_job: ClaimedJob) -> None:
        raise error

    run_one(jobs, fail)
    found = queries.job(1)
    assert (found.state, words in found.reason) == (state, True)
    assert "secret" not in found.reason


def test_work_that_was_taken_away_ends_quietly(
    jobs: JobQueue, queries: Queries, new_job: Callable[[int], JobId]
) -> None:
    new_job(1)

    def lose(job: ClaimedJob) -> None:
        jobs.act(job.job, WorkEvent.CANCEL, who="anna")
        jobs.progress(job.lease, 0.5, "half")

    run_one(jobs, lose)
    assert queries.job(1).state is JobState.CANCELLED


def test_a_heartbeat_keeps_the_lease_while_work_goes_on(jobs: JobQueue, new_job: Callable[[int], JobId]) -> None:
    new_job(1)
    renewed = threading.Semaphore(0)

    class Watched(JobQueue):
        def renew(self, lease: Lease) -> None:
            super().renew(lease)
            renewed.release()

    watched = Watched(jobs.engine, jobs.clock, jobs.terms)
    beats: list[bool] = []
    run_one(watched, lambda _job: beats.extend(renewed.acquire(timeout=10) for _ in range(3)))
    assert beats == [True] * 3


def test_no_two_workers_have_the_same_name() -> None:
    assert owner_name("worker") != owner_name("worker")


def test_the_bell_rings_when_something_happens_and_not_before(
    engine: Engine, jobs: JobQueue, new_job: Callable[[int], JobId]
) -> None:
    overview, stop = Overview(engine, utc_now), threading.Event()
    claimed: list[JobId] = []

    def once(job: ClaimedJob) -> None:
        claimed.append(job.job)
        stop.set()

    with ringing(overview.last_event, stop, Pace(poll_s=0.01)) as bell:
        bell._patience_s = 60  # noqa: SLF001 - only the bell wakes it
        thread = threading.Thread(target=work, args=(jobs, once), kwargs={"owner": "w", "bell": bell, "pace": PACE})
        thread.start()
        job = new_job(1)
        thread.join(30)
        assert (claimed, thread.is_alive()) == ([job], False)


def test_who_waits_for_the_bell_hears_the_end_and_a_database_that_is_gone_rings_nothing() -> None:
    stop, asked = threading.Event(), threading.Event()

    def gone() -> int:
        asked.set()
        raise StorageFault("gone")

    with ringing(gone, stop, Pace(poll_s=0.01)) as bell:
        assert asked.wait(30)
        assert bell.rung == 0
        stop.set()
        bell.wait(0)


def test_who_waits_tries_again_after_a_while_though_nothing_rings() -> None:
    bell = Bell(threading.Event(), 0.01)
    bell.wait(bell.rung)
    assert bell.rung == 0
