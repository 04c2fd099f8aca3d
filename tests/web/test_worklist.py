"""The worklist: everything is on it once, and nothing that waits for a person is missed."""

from __future__ import annotations

from gateway.jobs.queries import DEFAULT_LIMIT
from gateway.model.delivery import DeliveryState
from gateway.model.job import JobState
from gateway.model.scan import ScanState
from gateway.web.worklist import newest, to_decide
from tests.web.scene import Scene, morning


def test_every_scan_is_on_the_list_once_and_the_newest_comes_first(scene: Scene) -> None:
    morning(scene)
    entries = newest(scene.queries)
    assert sorted(entry.scan.id for entry in entries) == sorted(scan.id for scan in scene.queries.scans())
    assert [entry.since for entry in entries] == sorted((entry.since for entry in entries), reverse=True)


def test_a_complete_scan_is_shown_as_its_job(scene: Scene) -> None:
    job = scene.scan()
    assert [entry.job and entry.job.id for entry in newest(scene.queries)] == [job]


def test_a_scan_without_a_job_is_shown_too(scene: Scene) -> None:
    scene.scan(ScanState.INCOMPLETE)
    scene.arrive()
    assert [entry.scan.state for entry in newest(scene.queries)] == [ScanState.RECEIVING, ScanState.INCOMPLETE]


def test_what_waits_for_a_person_is_never_too_old_to_be_shown(scene: Scene) -> None:
    held = scene.start()
    scene.jobs.hold(held.lease, "no slice thickness")
    for _ in range(DEFAULT_LIMIT + 1):
        scene.scan()
    assert held.job not in [entry.job and entry.job.id for entry in newest(scene.queries)]
    (one,) = to_decide(scene.queries, 5)
    assert (one.job.id, [wait.reason for wait in one.waits]) == (held.job, ["no slice thickness"])


def test_a_delivery_of_long_ago_that_failed_is_not_forgotten(scene: Scene) -> None:
    old = scene.finish()
    scene.send(3, failure="refused")
    for _ in range(DEFAULT_LIMIT + 1):
        scene.finish(n_instances=1)
    assert [one.job.id for one in to_decide(scene.queries, 5)] == [old.job]


def test_a_delivery_that_failed_needs_a_person_though_its_job_is_done(scene: Scene) -> None:
    scene.finish(to=("pacs", "archive"))
    scene.send(12)
    scene.send(3, failure="refused")
    (one,) = to_decide(scene.queries, 5)
    (wait,) = one.waits
    assert (one.job.state, wait.state, wait.reason) == (JobState.DONE, DeliveryState.FAILED, "archive: refused")


def test_what_goes_on_by_itself_needs_nobody(scene: Scene) -> None:
    scene.finish()
    scene.send(3, postponed="nobody answered")
    scene.start()
    scene.scan()
    scene.arrive()
    assert to_decide(scene.queries, 5) == []
