"""Versions of the routes: numbered, kept, and taken by jobs when they are queued, on both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from gateway.jobs.audit import AuditTrail
from gateway.jobs.deliveries import DeliveryQueue
from gateway.jobs.queries import Queries
from gateway.jobs.reconstructions import JobQueue
from gateway.jobs.route_versions import RouteVersions
from gateway.model.errors import Overtaken, WrongCall
from gateway.model.work import WorkEvent
from tests.jobs.conftest import TurnedClock
from tests.jobs.test_queue import NewJob, made


@pytest.fixture
def versions(engine: Engine, clock: TurnedClock) -> RouteVersions:
    return RouteVersions(engine, clock)


def test_versions_count_from_one_and_the_newest_is_in_force(versions: RouteVersions, clock: TurnedClock) -> None:
    assert versions.in_force() == 0
    assert [versions.add(text, who="anna", comment=text) for text in ("a", "b")] == [1, 2]
    assert versions.in_force() == 2
    assert (versions.toml(1), versions.toml(2)) == ("a", "b")
    assert [(one.number, one.who, one.comment, one.at) for one in versions.history(10)] == [
        (2, "anna", "b", clock()),
        (1, "anna", "a", clock()),
    ]


def test_a_version_that_is_not_there_is_told(versions: RouteVersions) -> None:
    with pytest.raises(WrongCall, match="no version 3"):
        versions.toml(3)


def test_applying_is_on_the_audit_trail(versions: RouteVersions, engine: Engine, clock: TurnedClock) -> None:
    versions.add("a", who="anna@console", comment="")
    versions.add("b", who="anna@console", comment="knees go to the archive")
    texts = [line.deed.text for line in AuditTrail(engine, clock).newest(5)]
    assert texts == ["version 2: knees go to the archive", "version 1"]


def test_a_job_takes_the_version_in_force_when_it_is_queued_and_keeps_it(
    versions: RouteVersions, jobs: JobQueue, deliveries: DeliveryQueue, new_job: NewJob
) -> None:
    new_job(1)
    versions.add("a", who="anna", comment="")
    new_job(2)
    versions.add("b", who="anna", comment="")
    first, second = jobs.claim("w1"), jobs.claim("w1")
    assert first is not None
    assert second is not None
    assert (first.routes_version, second.routes_version) == (0, 1)
    jobs.succeed(second, [made()], ["pacs"])
    delivery = deliveries.claim("d1")
    assert delivery is not None
    assert delivery.routes_version == 1


@pytest.mark.parametrize("ways", [(WorkEvent.HOLD, WorkEvent.RELEASE), (WorkEvent.CANCEL, WorkEvent.RETRY)])
def test_a_job_that_a_person_lets_run_takes_the_version_in_force_then(
    versions: RouteVersions, jobs: JobQueue, queries: Queries, new_job: NewJob, ways: tuple[WorkEvent, WorkEvent]
) -> None:
    new_job(1)
    stop, go = ways
    versions.add("a", who="anna", comment="")
    jobs.act(1, stop, who="anna")
    assert queries.job(1).routes_version == 0
    jobs.act(1, go, who="anna")
    assert queries.job(1).routes_version == 1


def test_a_series_with_more_priority_is_sent_first(jobs: JobQueue, deliveries: DeliveryQueue, new_job: NewJob) -> None:
    for number, priority in ((1, 0), (2, 5)):
        new_job(number)
        job = jobs.claim("w1")
        assert job is not None
        jobs.succeed(job, [made(number)], ["pacs"], priority=priority)
    first = deliveries.claim("d1")
    assert first is not None
    assert first.job == 2


def test_of_two_who_changed_the_same_version_only_the_first_is_obeyed(engine: Engine, clock: TurnedClock) -> None:
    versions = RouteVersions(engine, clock)
    versions.add("a", who="anna", comment="", after=0)
    with pytest.raises(Overtaken, match="version 1 has come into force meanwhile"):
        versions.add("b", who="bert", comment="", after=0)
    assert (versions.in_force(), versions.toml(1)) == (1, "a")
