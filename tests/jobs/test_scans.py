from __future__ import annotations

import dataclasses

import pytest

from gateway.jobs.queries import Queries
from gateway.jobs.scans import ScanStore
from gateway.model.errors import WrongCall
from gateway.model.job import JobState
from gateway.model.scan import ScanState
from tests.jobs.conftest import seal


def test_a_complete_scan_has_a_job(scans: ScanStore, queries: Queries) -> None:
    one = seal(1)
    scans.begin(one.recording, peer=one.peer, started_at=one.started_at)
    assert scans.receiving() == [one.recording]
    state, earlier, job = scans.finish(one, "key")
    assert (state, earlier) == (ScanState.COMPLETE, None)
    assert scans.receiving() == []
    (found,) = queries.jobs()
    assert (found.id, found.state, found.scan.recording) == (job, JobState.QUEUED, "key")
    assert [line.what for line in queries.timeline(found)] == ["receiving", "complete", "queued"]


@pytest.mark.parametrize("state", [ScanState.INCOMPLETE, ScanState.NO_DATA, ScanState.REJECTED])
def test_only_complete_goes_on_by_itself(scans: ScanStore, queries: Queries, state: ScanState) -> None:
    assert scans.finish(seal(1, state), "key") == (state, None, None)
    assert queries.jobs() == []
    assert [scan.state for scan in queries.scans()] == [state]


def test_the_same_bytes_again_are_a_duplicate_without_a_job(scans: ScanStore, queries: Queries) -> None:
    scans.finish(seal(1), "a")
    again = dataclasses.replace(seal(2), sha256=seal(1).sha256)
    assert scans.finish(again, "b") == (ScanState.DUPLICATE, seal(1).recording, None)
    assert len(queries.jobs()) == 1


def test_the_same_bytes_of_an_incomplete_scan_are_no_duplicate(scans: ScanStore) -> None:
    scans.finish(seal(1, ScanState.INCOMPLETE), "a")
    again = dataclasses.replace(seal(2), sha256=seal(1).sha256)
    assert scans.finish(again, "b")[0] is ScanState.COMPLETE


def test_finishing_twice_changes_nothing(scans: ScanStore, queries: Queries) -> None:
    scans.finish(seal(1), "key")
    assert scans.finish(seal(1), "other key") == (ScanState.COMPLETE, None, None)
    (job,) = queries.jobs()
    assert job.scan.recording == "key"


def test_a_scan_of_which_nothing_is_left_says_so(scans: ScanStore, queries: Queries) -> None:
    one = seal(1)
    scans.begin(one.recording, peer=one.peer, started_at=one.started_at)
    scans.lost(one.recording)
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
