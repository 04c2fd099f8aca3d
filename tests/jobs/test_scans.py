from __future__ import annotations

import dataclasses

import pytest

from gateway.jobs.queries import Queries
from gateway.jobs.reconstructions import JobQueue
from gateway.jobs.scans import ScanStore
from gateway.model.errors import WrongCall
from gateway.model.job import JobState
from gateway.model.scan import ScanState
from gateway.model.work import WorkEvent
from tests.jobs.conftest import TurnedClock, seal


def test_a_complete_scan_has_a_job(scans: ScanStore, queries: Queries) -> None:
    one = seal(1)
    scans.begin(one.recording, peer=one.peer, started_at=one.started_at)
    assert [each.recording for each in scans.arriving_now()] == [one.recording]
    state, earlier, job = scans.finish(one, "key")
    assert (state, earlier) == (ScanState.COMPLETE, None)
    assert scans.arriving_now() == []
    (found,) = queries.jobs()
    assert (found.id, found.state, found.scan.recording) == (job, JobState.QUEUED, "key")
    assert [line.what for line in queries.timeline(found)] == ["receiving", "complete", "queued"]


@pytest.mark.parametrize("state", [ScanState.NO_DATA, ScanState.REJECTED])
def test_a_session_without_readouts_has_no_job(scans: ScanStore, queries: Queries, state: ScanState) -> None:
    assert scans.finish(seal(1, state), "key") == (state, None, None)
    assert queries.jobs() == []
    assert [scan.state for scan in queries.scans()] == [state]


def test_the_same_bytes_again_are_a_duplicate_without_a_job(scans: ScanStore, queries: Queries) -> None:
    scans.finish(seal(1), "a")
    again = dataclasses.replace(seal(2), digest=seal(1).digest)
    assert scans.finish(again, "b") == (ScanState.DUPLICATE, seal(1).recording, None)
    assert len(queries.jobs()) == 1


def test_the_same_bytes_of_an_incomplete_scan_are_no_duplicate(scans: ScanStore) -> None:
    scans.finish(seal(1, ScanState.INCOMPLETE), "a")
    again = dataclasses.replace(seal(2), digest=seal(1).digest)
    assert scans.finish(again, "b")[0] is ScanState.COMPLETE


def test_finishing_twice_changes_nothing(scans: ScanStore, queries: Queries) -> None:
    scans.finish(seal(1), "key")
    assert scans.finish(seal(1), "other key") == (ScanState.COMPLETE, None, None)
    (job,) = queries.jobs()
    assert job.scan.recording == "key"


def test_a_scan_of_which_nothing_is_left_says_so(scans: ScanStore, queries: Queries) -> None:
    one = seal(1)
    scans.begin(one.recording, peer=one.peer, started_at=one.started_at)
    scans.lost(one.recording, "the listener died before anything was on disk")
    (found,) = queries.scans()
    assert found.state is ScanState.INCOMPLETE
    assert "died before" in found.reason


def test_a_scan_is_found_by_the_beginning_of_its_id(scans: ScanStore, queries: Queries) -> None:
    for number in (1, 0xF << 124):
        scans.finish(seal(number), "key")
    assert queries.scan("f").id == seal(0xF << 124).recording
    with pytest.raises(WrongCall, match="no scan begins"):
        queries.scan("a")
    with pytest.raises(WrongCall, match="several scans begin"):
        queries.scan("")


def test_an_incomplete_scan_has_a_job_that_says_why_until_a_person_releases_it(
    scans: ScanStore, jobs: JobQueue
) -> None:
    half = dataclasses.replace(seal(1).verdict, state=ScanState.INCOMPLETE, reason="no CLOSE after 1204 bytes")
    job = scans.finish(dataclasses.replace(seal(1), verdict=half), "key")[2]
    assert job is not None
    first = jobs.claim("w1")
    assert first is not None
    assert first.incomplete == "no CLOSE after 1204 bytes"
    jobs.hold(first.lease, first.incomplete)
    jobs.act(job, WorkEvent.RELEASE, who="anna")
    second = jobs.claim("w1")
    assert second is not None
    assert second.incomplete == ""


def test_a_scan_whose_counters_lack_lines_is_incomplete(scans: ScanStore, jobs: JobQueue, queries: Queries) -> None:
    scans.finish(seal(1), "key")
    job = jobs.claim("w1")
    assert job is not None
    jobs.incomplete(job, "slice 2 lacks line 17")
    assert [(scan.state, scan.reason) for scan in queries.scans()] == [(ScanState.INCOMPLETE, "slice 2 lacks line 17")]


def test_a_replay_is_a_new_job_behind_the_scans_on_the_table(
    scans: ScanStore, jobs: JobQueue, queries: Queries, clock: TurnedClock
) -> None:
    scans.finish(seal(1), "key")
    again = scans.replay(seal(1).recording, recipe="sense", who="anna")
    clock.turn(60)
    live = scans.finish(seal(2), "other key")[2]
    claimed = [job.job for job in iter(lambda: jobs.claim("w1"), None)]
    assert claimed == [1, live, again]
    assert [(line.who, line.what) for line in queries.timeline(queries.job(again))][-2] == ("anna", "queued")


def test_what_was_never_stored_cannot_be_replayed(scans: ScanStore) -> None:
    one = seal(1)
    scans.begin(one.recording, peer=one.peer, started_at=one.started_at)
    scans.lost(one.recording, "the disk is full")
    with pytest.raises(WrongCall, match="no readouts"):
        scans.replay(one.recording, recipe="", who="anna")


def test_a_lost_scan_whose_recording_is_found_later_is_as_good_as_any(scans: ScanStore, queries: Queries) -> None:
    one = seal(1)
    scans.begin(one.recording, peer=one.peer, started_at=one.started_at)
    scans.lost(one.recording, "the database did not take it")
    assert not scans.settled(one.recording)
    assert scans.finish(one, "key")[0] is ScanState.COMPLETE
    assert scans.settled(one.recording)
    assert len(queries.jobs()) == 1


def test_a_replay_of_an_incomplete_scan_is_not_held_again(scans: ScanStore, jobs: JobQueue) -> None:
    half = dataclasses.replace(seal(1).verdict, state=ScanState.INCOMPLETE, reason="no CLOSE")
    scans.finish(dataclasses.replace(seal(1), verdict=half), "key")
    first = jobs.claim("w1")
    assert first is not None
    jobs.hold(first.lease, first.incomplete)
    scans.replay(seal(1).recording, recipe="fft", who="anna")
    second = jobs.claim("w1")
    assert second is not None
    assert (second.recipe_asked, second.incomplete) == ("fft", "")
