"""Reports of storage commitment: whenever they come, however often, on both databases."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from gateway.jobs.deliveries import ClaimedDelivery, DeliveryQueue
from gateway.jobs.queries import Queries
from gateway.jobs.reconstructions import JobQueue
from gateway.jobs.scans import ScanStore
from gateway.model.commitment import Report
from gateway.model.delivery import DeliveryState
from gateway.model.work import WorkEvent
from tests.jobs.conftest import TERMS, TurnedClock, seal
from tests.jobs.test_queue import claimed, made

ALL = frozenset({"2.25.1", "2.25.2", "2.25.3"})
HOUR = timedelta(hours=1)


def report(transaction: str = "1.2", committed: frozenset[str] = ALL, **failed: int) -> Report:
    return Report(
        transaction_uid=transaction,
        committed=committed - {uid.replace("_", ".") for uid in failed},
        failed={uid.replace("_", "."): reason for uid, reason in failed.items()},
    )


@pytest.fixture
def sent(scans: ScanStore, jobs: JobQueue, deliveries: DeliveryQueue) -> ClaimedDelivery:
    """A delivery of which all is stored, and which is asked for."""
    scans.finish(seal(1), "2026-03-01/1.mrd")
    jobs.succeed(claimed(jobs), [made()], ["pacs"])
    one = take(deliveries)
    deliveries.stored(one, [(instance, 0) for instance in one.missing])
    deliveries.proofs.request("1.2", one.delivery)
    deliveries.proofs.taken("1.2")
    return one


def take(deliveries: DeliveryQueue) -> ClaimedDelivery:
    one = deliveries.claim("d1")
    assert one is not None
    return one


def state(queries: Queries) -> DeliveryState:
    return queries.job(1).deliveries[0].state


def test_a_report_while_somebody_works_is_settled_at_the_end_of_the_work(
    sent: ClaimedDelivery, deliveries: DeliveryQueue, queries: Queries, clock: TurnedClock
) -> None:
    assert deliveries.proofs.report(report(), "PACS")
    assert deliveries.proofs.answered("1.2")
    assert state(queries) is DeliveryState.SENDING
    deliveries.wait_for_proof(sent, "asked", until=clock() + HOUR)
    assert state(queries) is DeliveryState.COMMITTED
    assert queries.job(1).deliveries[0].finished_at == clock()


def test_a_report_when_nobody_works_settles_at_once(
    sent: ClaimedDelivery, deliveries: DeliveryQueue, queries: Queries, clock: TurnedClock
) -> None:
    deliveries.wait_for_proof(sent, "asked", until=clock() + HOUR)
    assert state(queries) is DeliveryState.STORED
    assert queries.job(1).deliveries[0].moving
    assert deliveries.claim("d1") is None
    assert deliveries.proofs.report(report(), "PACS")
    assert state(queries) is DeliveryState.COMMITTED
    assert queries.job(1).settled


def test_what_is_stored_is_looked_at_again_when_the_report_is_overdue(
    sent: ClaimedDelivery, deliveries: DeliveryQueue, clock: TurnedClock
) -> None:
    asked_at = clock()
    deliveries.wait_for_proof(sent, "asked", until=clock() + HOUR)
    clock.turn(HOUR.total_seconds())
    again = take(deliveries)
    assert (again.missing, len(again.unproven), again.asked_at) == ((), 3, asked_at)


@pytest.mark.parametrize("told", [report(_2_25_2=0x0112), report(committed=ALL - {"2.25.2"})])
def test_an_instance_that_failed_or_is_not_mentioned_is_missing_again(
    told: Report, sent: ClaimedDelivery, deliveries: DeliveryQueue, queries: Queries, clock: TurnedClock
) -> None:
    told = Report(transaction_uid="1.2", committed=ALL - {"2.25.2"}, failed=told.failed)
    deliveries.wait_for_proof(sent, "asked", until=clock() + HOUR)
    assert deliveries.proofs.report(told, "PACS")
    assert state(queries) is DeliveryState.WAITING
    clock.turn(TERMS.retry_first_s)
    again = take(deliveries)
    assert [one.number for one in again.missing] == [2]
    assert [one.number for one in again.unproven] == [2]
    assert again.asked_at is None


def test_a_late_report_of_failure_does_not_undo_what_was_sent_since(
    sent: ClaimedDelivery, deliveries: DeliveryQueue, queries: Queries, clock: TurnedClock
) -> None:
    clock.turn(10)
    deliveries.resend(sent, [sent.instances[1]], "2 of 3 instances shown")
    clock.turn(TERMS.retry_first_s)
    again = take(deliveries)
    deliveries.stored(again, [(instance, 0) for instance in again.missing])
    assert deliveries.proofs.report(report(committed=ALL - {"2.25.2"}, _2_25_2=0x0112), "PACS")
    deliveries.wait_for_proof(again, "asked", until=clock() + HOUR)
    assert state(queries) is DeliveryState.STORED
    assert deliveries.proofs.report(report("9.9"), "PACS") is False


def test_a_pacs_that_never_keeps_it_is_given_up(
    sent: ClaimedDelivery, deliveries: DeliveryQueue, queries: Queries, clock: TurnedClock
) -> None:
    deliveries.wait_for_proof(sent, "asked", until=clock() + HOUR)
    clock.turn(TERMS.give_up_after_s + 1)
    assert deliveries.proofs.report(report(committed=frozenset()), "PACS")
    assert state(queries) is DeliveryState.FAILED
    assert queries.job(1).deliveries[0].reason.startswith("given up: the destination does not keep 3 of 3")


def test_a_pacs_that_never_proves_it_is_left_to_a_person(
    sent: ClaimedDelivery, deliveries: DeliveryQueue, queries: Queries, clock: TurnedClock
) -> None:
    clock.turn(TERMS.give_up_after_s + 1)
    deliveries.wait_for_proof(sent, "no report")
    assert state(queries) is DeliveryState.HELD
    assert deliveries.act(1, WorkEvent.RELEASE, who="anna") is DeliveryState.PENDING


def test_the_same_report_from_many_sides_at_once_counts_once(
    sent: ClaimedDelivery, deliveries: DeliveryQueue, queries: Queries, clock: TurnedClock, engine: Engine
) -> None:
    deliveries.wait_for_proof(sent, "asked", until=clock() + HOUR)
    known: list[bool] = []

    def tell() -> None:
        known.append(DeliveryQueue(engine, clock, TERMS).proofs.report(report(), "PACS"))

    threads = [threading.Thread(target=tell) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert known == [True] * 4
    assert state(queries) is DeliveryState.COMMITTED
    told = [line.what for line in queries.timeline(queries.job(1))]
    assert told.count("pacs: commitment reported") == 1
    assert told.count("pacs: committed") == 1


def test_a_destination_that_is_away_stays_away_over_a_restart(
    sent: ClaimedDelivery, deliveries: DeliveryQueue, engine: Engine, clock: TurnedClock
) -> None:
    deliveries.postpone(sent.lease, "nobody answers")
    for _ in range(3):
        deliveries.breaker.failed("pacs", "nobody answers")
    clock.turn(TERMS.retry_longest_s)
    again = DeliveryQueue(engine, clock, TERMS)
    assert again.breaker.open() == {"pacs"}
    assert again.claim("d2") is None
    again.breaker.reached("pacs")
    assert again.claim("d2") is not None
