from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import pytest
from blake3 import blake3

from gateway.intake import Reception
from gateway.jobs.clock import utc_now
from gateway.jobs.database import open_database, upgrade
from gateway.jobs.queries import Queries
from gateway.jobs.scans import ScanStore
from gateway.model.job import JobState
from gateway.model.scan import ScanState
from gateway.mrd.client import send_session
from gateway.mrd.framing import Limits
from gateway.mrd.listener import Listener, SessionLimits
from gateway.mrd.stream import read_session
from gateway.recovery import recover
from gateway.spool.recording import PART_SUFFIX, SUFFIX
from gateway.spool.seal import read_seal
from gateway.spool.spool import Spool, seal_path
from tests.mrd.streams import acquisition, serialized

SCAN = serialized(acquisition(0), acquisition(1))
HOST = "127.0.0.1"


class Site:
    """A listener on a real socket, a real spool, a real database."""

    def __init__(self, folder: Path) -> None:
        engine = open_database(f"sqlite:///{folder}/gateway.db")
        upgrade(engine)
        self.spool = Spool(folder / "spool")
        self.scans = ScanStore(engine, utc_now)
        self.queries = Queries(engine)

    @cached_property
    def listener(self) -> Listener:
        return Listener(HOST, 0, limits=SessionLimits(), open_recorder=self.receive)

    def receive(self, peer: str) -> Reception:
        return Reception(spool=self.spool, scans=self.scans, clock=utc_now, peer=peer, started_at=utc_now())

    def send(self, stream: bytes = SCAN) -> str:
        return " ".join(send_session([stream], HOST, self.listener.port, on_sent=lambda _n: None).texts)

    def recover(self) -> int:
        return recover(self.spool, self.scans, clock=utc_now, limits=Limits())

    def recording(self) -> Path:
        (scan,) = self.queries.scans()
        assert scan.recording is not None
        return self.spool.open(scan.recording)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    site.listener.start()
    yield site
    site.listener.stop(grace_s=0.1)


def test_what_was_acknowledged_is_on_disk_and_in_the_database(site: Site) -> None:
    said = site.send()
    (scan,) = site.queries.scans()
    assert scan.state is ScanState.COMPLETE
    assert scan.digest == f"blake3:{blake3(SCAN).hexdigest()}"
    assert site.recording().read_bytes() == SCAN
    assert said == f"stored {scan.id}: {len(SCAN)} bytes, 2 readouts, {scan.digest}"
    assert read_seal(seal_path(site.recording())).digest == scan.digest
    assert len(read_session(site.recording()).acquisition) == 1
    assert [job.state for job in site.queries.jobs()] == [JobState.QUEUED]


def test_the_same_scan_again_is_stored_and_says_that_it_is_a_duplicate(site: Site) -> None:
    site.send()
    assert "same bytes as scan" in site.send()
    assert [scan.state for scan in site.queries.scans()] == [ScanState.DUPLICATE, ScanState.COMPLETE]
    assert len(site.queries.jobs()) == 1


def test_no_data_says_so(site: Site) -> None:
    assert site.send(serialized()).startswith("NO_DATA")
    assert site.queries.jobs() == []


def test_a_start_with_nothing_to_recover_changes_nothing(site: Site) -> None:
    site.send()
    before = site.queries.scans(), site.queries.jobs()
    assert site.recover() == 0
    assert (site.queries.scans(), site.queries.jobs()) == before


def interrupted(site: Site, kept: int) -> Path:
    """A reception whose listener dies after some bytes."""
    reception = site.receive("192.0.2.7")
    reception.write(memoryview(SCAN[:kept]))
    reception.begin()
    reception.wait_until_shown()
    reception.abandon()
    (part,) = site.spool.unfinished()
    return part


@pytest.mark.parametrize(
    ("kept", "state"),
    [(len(SCAN), ScanState.COMPLETE), (len(SCAN) - 2, ScanState.INCOMPLETE), (1500, ScanState.INCOMPLETE)],
)
def test_a_death_before_the_seal_loses_no_byte(site: Site, kept: int, state: ScanState) -> None:
    interrupted(site, kept)
    assert site.recover() == 1
    (scan,) = site.queries.scans()
    assert (scan.state, scan.peer, scan.n_bytes) == (state, "192.0.2.7", kept)
    assert site.recording().read_bytes() == SCAN[:kept]
    assert len(site.queries.jobs()) == (scan.n_acquisitions > 0)
    assert site.recover() == 0


def test_a_death_between_seal_and_row_is_made_good_once(site: Site) -> None:
    site.send()
    path = site.recording()
    other = Site(path.parents[2] / "other")
    (other.spool.folder / path.parent.name).mkdir(parents=True)
    for file in (path, seal_path(path)):
        target = other.spool.folder / path.parent.name / file.name.replace(SUFFIX, PART_SUFFIX)
        target.write_bytes(file.read_bytes())
    assert other.recover() == 1
    assert other.recover() == 0
    assert [scan.state for scan in other.queries.scans()] == [ScanState.COMPLETE]
    assert len(other.queries.jobs()) == 1


def test_a_row_of_which_nothing_is_on_disk_says_so(site: Site) -> None:
    reception = site.receive("192.0.2.7")
    reception.begin()
    reception.lose("the disk is full")
    site.recover()
    (scan,) = site.queries.scans()
    assert scan.state is ScanState.INCOMPLETE


def test_what_cannot_get_its_name_has_no_job_until_it_can(site: Site) -> None:
    part = interrupted(site, len(SCAN))
    obstacle = part.with_name(part.name.replace(PART_SUFFIX, SUFFIX))
    obstacle.mkdir()
    assert site.recover() == 1
    assert site.queries.jobs() == []
    obstacle.rmdir()
    assert site.recover() == 1
    assert [scan.state for scan in site.queries.scans()] == [ScanState.COMPLETE]
    assert site.recording().read_bytes() == SCAN
    assert len(site.queries.jobs()) == 1


def test_one_damaged_seal_stops_no_start(site: Site) -> None:
    site.send()
    site.recording().with_name("0" * 32 + SUFFIX).write_bytes(SCAN)
    seal_path(site.recording().with_name("0" * 32 + SUFFIX)).write_text("{")
    interrupted(site, 1500)
    assert site.recover() == 1
    assert {scan.state for scan in site.queries.scans()} == {ScanState.COMPLETE, ScanState.INCOMPLETE}
