from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, strategies as st

from gateway.jobs.deliveries import DeliveryQueue
from gateway.jobs.lease import Terms
from gateway.jobs.queries import Queries
from gateway.jobs.reconstructions import ClaimedJob, JobQueue
from gateway.model.delivery import DeliveryState
from gateway.model.errors import IllegalTransition, LostLease, WrongCall
from gateway.model.ids import JobId
from gateway.model.job import JobState
from gateway.model.series import Instance, Series
from gateway.model.work import WorkEvent
from tests.jobs.conftest import TERMS, TurnedClock

NewJob = Callable[[int], JobId]


def claimed(jobs: JobQueue, owner: str = "w1") -> ClaimedJob:
    job = jobs.claim(owner)
    assert job is not None
    return job


def made(n: int = 3) -> Series:
    instances = tuple(
        Instance(sop_class_uid="1.2", sop_instance_uid=f"2.25.{k}", number=k, path=f"{k}.dcm", sha256="00", n_bytes=7)
        for k in range(1, n + 1)
    )
    return Series(study_instance_uid="2.25.8", series_instance_uid="2.25.9", description="gre fft", instances=instances)


def test_a_job_is_claimed_once_and_in_order(jobs: JobQueue, new_job: NewJob) -> None:
    numbers = [new_job(1), new_job(2)]
    assert [claimed(jobs).job, claimed(jobs).job] == numbers
    assert jobs.claim("w1") is None


def test_many_claimants_never_get_the_same_job(jobs: JobQueue, new_job: NewJob) -> None:
    numbers = {new_job(number) for number in range(40)}
    got: list[JobId] = []

    def claim_all(owner: str) -> None:
        while (job := jobs.claim(owner)) is not None:
            got.append(job.job)

    threads = [threading.Thread(target=claim_all, args=(f"w{k}",)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == len(numbers)
    assert set(got) == numbers


def test_a_dead_workers_job_comes_back_with_its_attempt_counted(
    jobs: JobQueue, queries: Queries, clock: TurnedClock, new_job: NewJob
) -> None:
    new_job(1)
    first = claimed(jobs)
    clock.turn(TERMS.lease_s - 1)
    assert jobs.reap() == 0
    clock.turn(2)
    assert jobs.reap() == 1
    second = claimed(jobs, "w2")
    assert (first.lease.attempt, second.lease.attempt) == (1, 2)
    assert "lease expired" in [line.what for line in queries.timeline(queries.job(1))]


def test_work_that_we_have_stopped_comes_back_at_once_and_has_not_crashed(
    jobs: JobQueue, queries: Queries, new_job: NewJob
) -> None:
    new_job(1)
    work = claimed(jobs)
    for _ in range(TERMS.max_crashes):
        assert (jobs.interrupt("another"), jobs.interrupt("w1")) == (0, 1)
        work = claimed(jobs)
    assert (work.lease.attempt, jobs.interrupt("w1")) == (TERMS.max_crashes + 1, 1)
    assert queries.job(1).state is JobState.QUEUED
    assert "interrupted" in [line.what for line in queries.timeline(queries.job(1))]
    with pytest.raises(LostLease):
        jobs.renew(work.lease)


def test_a_renewed_lease_does_not_end(jobs: JobQueue, clock: TurnedClock, new_job: NewJob) -> None:
    new_job(1)
    job = claimed(jobs)
    for _ in range(5):
        clock.turn(TERMS.lease_s - 1)
        jobs.renew(job.lease)
        assert jobs.reap() == 0


WRITES: dict[str, Callable[[JobQueue, ClaimedJob], object]] = {
    "renew": lambda jobs, job: jobs.renew(job.lease),
    "note": lambda jobs, job: jobs.note(job.lease, "x"),
    "progress": lambda jobs, job: jobs.progress(job.lease, 0.5, "x"),
    "routed": lambda jobs, job: jobs.routed(job.lease, rule="x", recipe="x", why="x"),
    "succeed": lambda jobs, job: jobs.succeed(job, [made()], ["pacs"]),
    "postpone": lambda jobs, job: jobs.postpone(job.lease, "x"),
    "hold": lambda jobs, job: jobs.hold(job.lease, "x"),
    "fail": lambda jobs, job: jobs.fail(job.lease, "x"),
}


@pytest.mark.parametrize("write", WRITES)
def test_whoever_lost_its_lease_writes_nothing(
    jobs: JobQueue, queries: Queries, clock: TurnedClock, new_job: NewJob, write: str
) -> None:
    new_job(1)
    stale = claimed(jobs)
    clock.turn(TERMS.lease_s + 1)
    jobs.reap()
    claimed(jobs, "w2")
    before = queries.job(1), len(queries.timeline(queries.job(1)))
    with pytest.raises(LostLease):
        WRITES[write](jobs, stale)
    assert (queries.job(1), len(queries.timeline(queries.job(1)))) == before


def test_the_third_crash_is_the_last(jobs: JobQueue, queries: Queries, new_job: NewJob) -> None:
    new_job(1)
    states = []
    for _ in range(TERMS.max_crashes):
        claimed(jobs, "w1")
        jobs.reap("w1")
        states.append(queries.job(1).state)
    assert states == [JobState.QUEUED, JobState.QUEUED, JobState.QUARANTINED]
    assert jobs.act(1, WorkEvent.RETRY, who="me") is JobState.QUEUED
    assert claimed(jobs).lease.attempt == TERMS.max_crashes + 1


def test_only_the_dead_owners_work_is_taken_back(jobs: JobQueue, new_job: NewJob) -> None:
    new_job(1)
    new_job(2)
    alive = claimed(jobs, "alive")
    claimed(jobs, "dead")
    assert jobs.reap("dead") == 1
    jobs.renew(alive.lease)


def test_a_postponed_job_waits_and_then_runs(
    jobs: JobQueue, queries: Queries, clock: TurnedClock, new_job: NewJob
) -> None:
    new_job(1)
    jobs.postpone(claimed(jobs).lease, "no room")
    assert queries.job(1).state is JobState.QUEUED
    assert "no room" in queries.job(1).reason
    assert jobs.claim("w1") is None
    clock.turn(TERMS.retry_first_s)
    assert claimed(jobs).lease.attempt == 2


@pytest.mark.parametrize("ahead_s", [3_600, 400 * 86_400])
def test_a_clock_that_was_ahead_keeps_no_scan_waiting(
    jobs: JobQueue, clock: TurnedClock, new_job: NewJob, ahead_s: float
) -> None:
    clock.turn(ahead_s)
    new_job(1)
    clock.turn(-ahead_s)
    assert claimed(jobs).job == 1


def test_what_a_clock_that_was_ahead_has_left_comes_back(jobs: JobQueue, clock: TurnedClock, new_job: NewJob) -> None:
    year_s = 365 * 86_400.0
    clock.turn(year_s)
    new_job(1)
    new_job(2)
    jobs.postpone(claimed(jobs).lease, "no room")
    left = claimed(jobs)
    clock.turn(-year_s)
    assert jobs.reap() == 1
    assert {claimed(jobs).job, claimed(jobs).job} == {1, left.job}
    with pytest.raises(LostLease):
        jobs.renew(left.lease)


def test_patience_ends(jobs: JobQueue, queries: Queries, clock: TurnedClock, new_job: NewJob) -> None:
    new_job(1)
    clock.turn(TERMS.give_up_after_s + 1)
    jobs.postpone(claimed(jobs).lease, "no room")
    assert queries.job(1).state is JobState.FAILED
    assert queries.job(1).reason == "given up: no room"


@given(st.integers(1, 10_000), st.integers(0, 2**32))
def test_waiting_doubles_up_to_a_cap_with_jitter(attempt: int, seed: int) -> None:
    terms = Terms(retry_first_s=15, retry_longest_s=900)
    whole = min(900, 15 * 2 ** min(attempt - 1, 20))
    assert whole / 2 <= terms.wait(attempt, Random(seed)).total_seconds() <= whole  # noqa: S311


def test_success_is_the_outbox_in_one_transaction(
    jobs: JobQueue, deliveries: DeliveryQueue, queries: Queries, new_job: NewJob
) -> None:
    new_job(1)
    jobs.succeed(claimed(jobs), [made()], ["pacs", "folder"])
    found = queries.job(1)
    assert found.state is JobState.DONE
    assert not found.settled
    assert [(one.destination, one.state, one.n_instances) for one in found.deliveries] == [
        ("pacs", DeliveryState.PENDING, 3),
        ("folder", DeliveryState.PENDING, 3),
    ]
    assert queries.instance_paths(1) == ["1.dcm", "2.dcm", "3.dcm"]
    assert deliveries.claim("d1") is not None


def test_a_series_goes_only_to_those_that_it_was_written_for(jobs: JobQueue, queries: Queries, new_job: NewJob) -> None:
    new_job(1)
    forms = [replace(made(1), destinations=("pacs",)), replace(made(2), destinations=("archive", "folder"))]
    jobs.succeed(claimed(jobs), forms, ["pacs", "archive", "folder"])
    assert [one.destination for one in queries.job(1).deliveries] == ["pacs", "archive", "folder"]


def test_a_retry_sends_only_what_is_missing(
    jobs: JobQueue, deliveries: DeliveryQueue, queries: Queries, clock: TurnedClock, new_job: NewJob
) -> None:
    new_job(1)
    jobs.succeed(claimed(jobs), [made()], ["pacs"])
    first = deliveries.claim("d1")
    assert first is not None
    deliveries.stored(first, [(first.missing[0], 0x0000)])
    deliveries.postpone(first.lease, "the PACS went away")
    clock.turn(TERMS.retry_first_s)
    second = deliveries.claim("d1")
    assert second is not None
    assert [instance.number for instance in second.missing] == [2, 3]
    deliveries.stored(second, [(instance, 0xB000) for instance in second.missing])
    deliveries.succeed(second)
    assert queries.job(1).arrived
    assert queries.job(1).settled
    assert queries.timeline(queries.job(1))[-1].what == "pacs: succeeded"


def test_a_person_holds_releases_and_cancels(jobs: JobQueue, queries: Queries, new_job: NewJob) -> None:
    new_job(1)
    assert jobs.act(1, WorkEvent.HOLD, who="anna", reason="wrong patient?") is JobState.HELD
    assert jobs.claim("w1") is None
    assert jobs.act(1, WorkEvent.RELEASE, who="anna") is JobState.QUEUED
    running = claimed(jobs)
    assert jobs.act(1, WorkEvent.CANCEL, who="anna") is JobState.CANCELLED
    with pytest.raises(LostLease):
        jobs.succeed(running, [made()], ["pacs"])
    lines = [(line.who, line.what) for line in queries.timeline(queries.job(1))]
    assert ("anna", "held") in lines
    assert ("anna", "cancelled") in lines


def test_what_the_state_does_not_allow_is_refused(jobs: JobQueue, new_job: NewJob) -> None:
    new_job(1)
    with pytest.raises(IllegalTransition, match="QUEUED does not allow released"):
        jobs.act(1, WorkEvent.RELEASE, who="anna")
    with pytest.raises(WrongCall, match="there is no 7 among the jobs"):
        jobs.act(7, WorkEvent.CANCEL, who="anna")
