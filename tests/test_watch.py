"""The watch folder, with files that the `ismrmrd` package wrote and a listener on a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import ismrmrd
import pytest

from gateway.model.scan import ScanState
from gateway.spool.room import Room
from gateway.spool.spool import Spool
from gateway.watch import WatchFolder
from tests.mrd.streams import HEADER, acquisition
from tests.test_intake import HOST, Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path / "site")
    site.listener.start()
    yield site
    site.listener.stop(grace_s=0.1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "incoming").mkdir()
    return tmp_path / "incoming"


@pytest.fixture
def watch(folder: Path, site: Site) -> WatchFolder:
    return WatchFolder(folder, HOST, site.listener.port)


def put(folder: Path, n_readouts: int = 2) -> Path:
    path = folder / "scan.h5"
    with ismrmrd.Dataset(str(path)) as dataset:
        dataset.write_xml_header(HEADER)
        for line in range(n_readouts):
            dataset.append_acquisition(acquisition(line))
    return path


def test_a_file_that_rests_comes_in_like_any_scan(site: Site, folder: Path, watch: WatchFolder) -> None:
    path = put(folder)
    assert watch.look() == 0, "it may still be written"
    assert watch.look() == 1
    assert not path.exists()
    assert (folder / "taken" / "scan.h5").exists()
    assert [(scan.state, scan.n_acquisitions) for scan in site.queries.scans()] == [(ScanState.COMPLETE, 2)]
    assert len(site.queries.jobs()) == 1


def test_a_file_that_grows_waits(site: Site, folder: Path, watch: WatchFolder) -> None:
    put(folder, 1)
    watch.look()
    with ismrmrd.Dataset(str(folder / "scan.h5")) as dataset:
        dataset.append_acquisition(acquisition(1))
    assert watch.look() == 0
    assert watch.look() == 1
    assert site.queries.scans()[0].n_acquisitions == 2


def test_what_is_no_scan_is_put_aside_with_the_reason(site: Site, folder: Path, watch: WatchFolder) -> None:
    (folder / "letter.h5").write_text("dear colleague")
    watch.look()
    assert watch.look() == 1
    assert "neither an ISMRMRD" in (folder / "refused" / "letter.h5.txt").read_text()
    assert (folder / "refused" / "letter.h5").read_text() == "dear colleague"
    assert site.queries.scans() == []


def test_a_file_waits_until_there_is_room_again(site: Site, folder: Path, watch: WatchFolder) -> None:
    path, roomy = put(folder), site.spool
    site.spool = Spool(roomy.folder, room=Room(warn_percent=1e-6, refuse_percent=1e-6))
    roomy.folder.mkdir()
    watch.look()
    assert watch.look() == 1
    assert path.exists()
    site.spool = roomy
    watch.look()
    assert not path.exists()


def test_a_file_waits_until_the_listener_is_there(folder: Path, free_port: int) -> None:
    path, watch = put(folder), WatchFolder(folder, HOST, free_port)
    watch.look()
    watch.look()
    assert path.exists()
