"""The small PACS keeps what it was sent, whole, and never where a caller would like it."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.association import Association

from gateway.dicom.scp import MAX_ASSOCIATIONS, StoreScp
from gateway.dicom.store import echo, store
from gateway.model.errors import PeerRefused, PeerUnreachable
from tests.dicom.outbox import Written, pacs, written
from tests.peers import LOOPBACK


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tmp_path / "archive"


@pytest.fixture
def scp(archive: Path) -> Iterator[StoreScp]:
    with StoreScp("PACS", LOOPBACK, 0, archive) as listening:
        yield listening


@pytest.fixture
def series(tmp_path: Path) -> Written:
    return written(tmp_path / "outbox")


def send(scp: StoreScp, series: Written) -> None:
    store(series, pacs(scp.port), lambda _instance, _status: None)


def call(scp: StoreScp) -> Association:
    """A caller without our manners."""
    ae = AE(ae_title="CALLER")
    ae.add_requested_context("1.2.840.10008.5.1.4.1.1.4", ExplicitVRLittleEndian)
    return ae.associate(LOOPBACK, scp.port, ae_title="PACS")


def answer_to(scp: StoreScp, ds: Dataset) -> int:
    association = call(scp)
    try:
        return int(association.send_c_store(ds).Status)
    finally:
        association.release()


def test_a_series_arrives_in_its_folder(scp: StoreScp, archive: Path, series: Written) -> None:
    send(scp, series)
    sent = {dcmread(path).SOPInstanceUID: dcmread(path) for _, path in series}
    files = sorted(archive.rglob("*"))
    found = {dcmread(file).SOPInstanceUID: dcmread(file) for file in files if file.is_file()}
    assert found == sent
    assert {file.parent.name for file in files if file.is_file()} == {dcmread(series[0][1]).SeriesInstanceUID}


def test_sending_twice_keeps_one(scp: StoreScp, archive: Path, series: Written) -> None:
    send(scp, series)
    send(scp, series)
    assert sum(file.is_file() for file in archive.rglob("*")) == 3


def test_an_echo_is_answered_and_another_name_refused(scp: StoreScp) -> None:
    echo(pacs(scp.port))
    with pytest.raises(PeerRefused, match="called AE title"):
        echo(pacs(scp.port, "OTHER"))


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
@pytest.mark.parametrize("keyword", ["SeriesInstanceUID", "SOPInstanceUID"])
def test_a_uid_that_is_a_path_is_nonsense(keyword: str, scp: StoreScp, archive: Path, series: Written) -> None:
    for evil in ("../../evil", "/evil", "1.2.3/../../evil", "1.02.3", ".."):
        ds = dcmread(series[0][1])
        ds[keyword]._value = evil  # noqa: SLF001 - past pydicom's own check
        assert answer_to(scp, ds) == 0xA900, evil
    assert not archive.exists()


def test_an_object_without_a_series_is_nonsense(scp: StoreScp, series: Written) -> None:
    ds = dcmread(series[0][1])
    del ds.SeriesInstanceUID
    assert answer_to(scp, ds) == 0xA900


def test_a_disk_that_fails_is_out_of_resources(scp: StoreScp, archive: Path, series: Written) -> None:
    archive.write_text("not a folder")
    with pytest.raises(PeerUnreachable, match="0xA700"):
        send(scp, series)


def test_too_many_callers_are_told_to_come_again(scp: StoreScp) -> None:
    callers = [call(scp) for _ in range(MAX_ASSOCIATIONS)]
    try:
        assert all(caller.is_established for caller in callers)
        with pytest.raises(PeerUnreachable, match="local limit exceeded"):
            echo(pacs(scp.port))
    finally:
        for caller in callers:
            caller.release()


def test_no_half_file_is_left(scp: StoreScp, archive: Path, series: Written) -> None:
    send(scp, series)
    assert {file.suffix for file in archive.rglob("*") if file.is_file()} == {".dcm"}
    assert all(stat.S_ISREG(file.stat().st_mode) for file in archive.rglob("*.dcm"))
