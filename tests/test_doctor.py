"""The doctor: what is well is good, what is broken is named with its remedy, and the exit code tells."""

from __future__ import annotations

import json
from pathlib import Path

from gateway.dicom.scp import StoreScp
from gateway.doctor import Health, attempt, destination, disk, gpu, versions
from gateway.jobs.breaker import FAILURES_TO_OPEN, Breaker
from gateway.jobs.clock import utc_now
from gateway.jobs.database import open_database
from gateway.model.destinations import FolderDestination
from gateway.model.errors import StorageFault
from tests import peers
from tests.running import configured, gateway


def test_the_software_that_the_tests_run_with_is_good() -> None:
    assert {one.health for one in versions()} == {Health.GOOD}


def test_a_folder_that_is_not_there_is_bad_and_says_who_must_do_what(tmp_path: Path) -> None:
    (found,) = disk("spool", tmp_path / "none")
    assert found.health is Health.BAD
    assert str(tmp_path / "none") in found.remedy


def test_a_disk_is_measured_and_left_as_it_was(tmp_path: Path) -> None:
    speed, room = disk("spool", tmp_path)
    assert "MB/s" in speed.said
    assert "GB are free" in room.said
    assert list(tmp_path.iterdir()) == []


def test_a_gpu_is_asked_for_only_where_one_may_be_used() -> None:
    assert list(gpu("cpu")) == []
    (found,) = gpu("auto")
    assert found.health is Health.GOOD


def test_a_folder_destination_may_still_have_to_be_made(tmp_path: Path) -> None:
    (found,) = destination("shelf", FolderDestination(path=tmp_path / "a" / "b"))
    assert found.health is Health.GOOD


def test_what_does_not_work_is_bad_with_its_reason() -> None:
    def ask() -> None:
        raise StorageFault("the database did not answer")

    found = attempt("database", ask, said="answers", remedy="start it")
    assert (found.health, found.said, found.remedy) == (Health.BAD, "the database did not answer", "start it")
    assert attempt("database", lambda: None, said="answers", remedy="start it").health is Health.GOOD


def test_a_site_whose_pacs_is_silent_is_not_ready(tmp_path: Path) -> None:
    pacs = {"kind": "pacs", "host": peers.LOOPBACK, "port": peers.free_port(), "ae_title": "PACS", "plain": True}
    config = configured(tmp_path, {"pacs": pacs, "shelf": {"kind": "folder", "path": "shelf"}})
    done = gateway("doctor", "--json", "--config", config)
    found = {one["what"]: one for one in json.loads(done.stdout)}
    assert done.returncode == 1
    assert found["destination pacs"]["health"] == "bad"
    assert "AE titles" in found["destination pacs"]["remedy"]
    assert found["destination shelf"]["health"] == "good"
    assert found["accounts"]["remedy"] == "gateway users invite NAME --role admin"


def findings(config: Path) -> dict[str, dict[str, str]]:
    return {one["what"]: one for one in json.loads(gateway("doctor", "--json", "--config", config).stdout)}


def test_a_pacs_is_asked_by_what_it_proves_that_it_keeps_a_series(tmp_path: Path) -> None:
    with StoreScp("PACS", peers.LOOPBACK, 0, tmp_path / "pacs") as scp:
        pacs = {"kind": "pacs", "host": peers.LOOPBACK, "port": scp.port, "ae_title": "PACS", "plain": True}
        found = findings(configured(tmp_path, {"commits": pacs, "asked": {**pacs, "commitment": "query"}}))
    assert found["destination commits: proof"]["said"] == "proves by storage commitment that it keeps a series"
    assert found["destination commits: way"]["said"] == "gets patients' data in the clear"
    assert found["destination asked: proof"]["health"] == "bad"
    assert "let it give us queries" in found["destination asked: proof"]["remedy"]
    assert "does not reach us" in found["dicom port"]["said"]


def test_a_destination_that_the_deliverers_leave_alone_is_told(tmp_path: Path) -> None:
    config = configured(tmp_path, {"shelf": {"kind": "folder", "path": "shelf"}})
    findings(config)
    breaker = Breaker(open_database(f"sqlite:///{tmp_path}/gateway-data/gateway.db"), utc_now)
    for _ in range(FAILURES_TO_OPEN):
        breaker.failed("shelf", "nobody answers")
    assert findings(config)["destination shelf: deliveries"]["said"] == "is left alone: nobody answers"
