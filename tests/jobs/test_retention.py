from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from gateway.jobs.deliveries import DeliveryQueue
from gateway.jobs.queries import Queries
from gateway.jobs.reconstructions import JobQueue
from gateway.jobs.retention import OldSeries, Retention
from gateway.jobs.scans import ScanStore
from gateway.model.errors import WrongCall
from gateway.model.work import WorkEvent
from tests.jobs.conftest import TurnedClock, seal
from tests.jobs.test_queue import claimed, made

WEEK_S = 7 * 86_400


@pytest.fixture
def rows(engine: Engine, clock: TurnedClock) -> Retention:
    return Retention(engine, clock)


@pytest.fixture
def deliver(scans: ScanStore, jobs: JobQueue, deliveries: DeliveryQueue) -> Callable[[], None]:
    """Receives a scan, makes its series and delivers it."""

    def run() -> None:
        scans.finish(seal(1), "2026-03-01/1.mrd")
        jobs.succeed(claimed(jobs), [made()], ["pacs"])
        one = deliveries.claim("d1")
        assert one is not None
        deliveries.succeed(one)

    return run


def old(rows: Retention, clock: TurnedClock) -> list[str]:
    return [key for _, key in rows.delivered_before(clock() - timedelta(seconds=WEEK_S))]


def test_what_arrived_long_ago_may_go_and_not_a_moment_earlier(
    rows: Retention, clock: TurnedClock, deliver: Callable[[], None]
) -> None:
    deliver()
    clock.turn(WEEK_S)
    assert old(rows, clock) == []
    clock.turn(1)
    assert old(rows, clock) == ["2026-03-01/1.mrd"]


def test_a_scan_that_is_young_by_its_last_event_stays_however_old_it_is(
    rows: Retention, clock: TurnedClock, scans: ScanStore, deliver: Callable[[], None]
) -> None:
    deliver()
    clock.turn(WEEK_S + 1)
    scans.replay(seal(1).recording, recipe="", who="anna")
    assert old(rows, clock) == []


@pytest.mark.parametrize("end", ["waiting", "running", "held", "failed", "cancelled", "sending", "refused"])
def test_what_is_not_delivered_is_never_deleted(
    rows: Retention, clock: TurnedClock, scans: ScanStore, jobs: JobQueue, deliveries: DeliveryQueue, end: str
) -> None:
    scans.finish(seal(1), "key")
    if end == "cancelled":
        jobs.act(1, WorkEvent.CANCEL, who="anna")
    elif end != "waiting":
        job = claimed(jobs)
        if end == "held":
            jobs.hold(job.lease, "why")
        elif end == "failed":
            jobs.fail(job.lease, "why")
        elif end in ("sending", "refused"):
            jobs.succeed(job, [made()], ["pacs"])
            one = deliveries.claim("d1")
            assert one is not None
            if end == "refused":
                deliveries.fail(one.lease, "no")
    clock.turn(100 * WEEK_S)
    assert old(rows, clock) == []


def test_a_deletion_is_in_the_audit_and_cannot_be_replayed(
    rows: Retention, clock: TurnedClock, scans: ScanStore, queries: Queries, deliver: Callable[[], None]
) -> None:
    deliver()
    clock.turn(WEEK_S + 1)
    rows.deleted(seal(1).recording, "delivered more than 7 days ago")
    assert old(rows, clock) == []
    line = queries.timeline(queries.job(1))[-1]
    assert (line.who, line.what, line.text) == ("retention", "recording deleted", "delivered more than 7 days ago")
    with pytest.raises(WrongCall, match="was deleted on 2026-03-08"):
        scans.replay(seal(1).recording, recipe="", who="anna")


def old_series(rows: Retention, clock: TurnedClock) -> list[OldSeries]:
    return rows.series_delivered_before(clock() - timedelta(seconds=WEEK_S))


def test_the_files_of_a_series_may_go_when_it_has_arrived_everywhere_long_ago(
    rows: Retention, clock: TurnedClock, queries: Queries, deliver: Callable[[], None]
) -> None:
    deliver()
    clock.turn(WEEK_S)
    assert old_series(rows, clock) == []
    clock.turn(1)
    (one,) = old_series(rows, clock)
    assert one.paths == tuple(instance.path for instance in made().instances)
    rows.series_deleted(one, "delivered more than 7 days ago")
    assert old_series(rows, clock) == []
    line = queries.timeline(queries.job(1))[-1]
    assert (line.who, line.what) == ("retention", "series deleted here")
    assert line.text == f"{len(one.paths)} instances, delivered more than 7 days ago"


def test_a_series_that_has_not_arrived_at_one_of_its_destinations_stays(
    rows: Retention, clock: TurnedClock, scans: ScanStore, jobs: JobQueue, deliveries: DeliveryQueue
) -> None:
    scans.finish(seal(1), "key")
    jobs.succeed(claimed(jobs), [made()], ["pacs", "archive"])
    for _ in range(2):
        clock.turn(100 * WEEK_S)
        assert old_series(rows, clock) == []
        one = deliveries.claim("d1")
        assert one is not None
        deliveries.succeed(one)
    clock.turn(WEEK_S + 1)
    assert len(old_series(rows, clock)) == 1


@pytest.mark.parametrize("end", ["pending", "sending", "refused", "held", "sent again"])
def test_the_files_of_what_is_not_delivered_are_never_deleted(
    rows: Retention,
    clock: TurnedClock,
    scans: ScanStore,
    jobs: JobQueue,
    deliveries: DeliveryQueue,
    end: str,
) -> None:
    scans.finish(seal(1), "key")
    jobs.succeed(claimed(jobs), [made()], ["pacs"])
    if end != "pending":
        one = deliveries.claim("d1")
        assert one is not None
        if end == "refused":
            deliveries.fail(one.lease, "no")
        elif end == "held":
            deliveries.hold(one.lease, "why")
        elif end == "sent again":
            deliveries.succeed(one)
            deliveries.act(one.delivery, WorkEvent.RESEND, who="anna")
    clock.turn(100 * WEEK_S)
    assert old_series(rows, clock) == []
