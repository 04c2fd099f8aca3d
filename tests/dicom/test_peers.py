"""Real PACS software of others takes what we send, and its faults are told apart."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from gateway.dicom.scp import StoreScp
from gateway.dicom.store import echo, store
from gateway.model.errors import PeerRefused, PeerUnreachable
from tests.dicom.outbox import pacs, written
from tests.dicom.worklist import wait_until_bound
from tests.peers import LOOPBACK, Orthanc, free_port


@contextmanager
def storescp(folder: Path, *switches: str) -> Iterator[int]:
    """DCMTK's own SCP, up as soon as its port takes a connection."""
    port = free_port()
    command = ["/usr/bin/storescp", "-od", str(folder), *switches, str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until_bound(port)
            yield port
        finally:
            process.kill()


@pytest.mark.peer("storescp")
@pytest.mark.parametrize("switch", ["+xe", "--implicit"])
def test_dcmtk_keeps_every_value(switch: str, tmp_path: Path) -> None:
    series = written(tmp_path / "outbox")
    (tmp_path / "pacs").mkdir()
    with storescp(tmp_path / "pacs", switch) as port:
        echo(pacs(port))
        store(series, pacs(port), lambda _instance, _status: None)
    kept = {dcmread(file).SOPInstanceUID: dcmread(file) for file in (tmp_path / "pacs").iterdir()}
    assert kept == {dcmread(path).SOPInstanceUID: dcmread(path) for _, path in series}


@pytest.mark.peer("storescp")
def test_dcmtk_refuses_the_association(tmp_path: Path) -> None:
    with storescp(tmp_path, "--refuse") as port, pytest.raises(PeerRefused, match="rejected the association"):
        echo(pacs(port))


@pytest.mark.peer("storescp")
@pytest.mark.parametrize("switch", ["--abort-after", "--abort-during"])
def test_dcmtk_aborts(switch: str, tmp_path: Path) -> None:
    series = written(tmp_path / "outbox")
    with storescp(tmp_path, switch) as port, pytest.raises(PeerUnreachable, match="0 of 3 stored"):
        store(series, pacs(port), lambda _instance, _status: None)


@pytest.mark.peer("storescp")
def test_dcmtk_sleeps_longer_than_we_wait(tmp_path: Path) -> None:
    series = written(tmp_path / "outbox")
    with storescp(tmp_path, "--sleep-during", "5") as port, pytest.raises(PeerUnreachable, match="stored or not"):
        store(series, pacs(port, timeout_s=1), lambda _instance, _status: None)


@pytest.mark.peer("storescu", "echoscu")
def test_dcmtk_sends_to_our_own_listener(tmp_path: Path) -> None:
    series = written(tmp_path / "outbox")
    with StoreScp("DEMO", LOOPBACK, 0, tmp_path / "pacs") as scp:
        peer = ("-aec", "DEMO", LOOPBACK, str(scp.port))
        subprocess.run(["/usr/bin/echoscu", *peer], check=True)
        subprocess.run(["/usr/bin/storescu", *peer, *(str(path) for _, path in series)], check=True)
    assert sum(file.is_file() for file in (tmp_path / "pacs").rglob("*.dcm")) == 3


@pytest.mark.peer("Orthanc")
def test_orthanc_shows_the_series_as_it_was_sent(orthanc: Orthanc, tmp_path: Path) -> None:
    series = written(tmp_path)
    destination = pacs(orthanc.dicom_port, orthanc.ae_title)
    echo(destination)
    store(series, destination, lambda _instance, _status: None)
    store(series, destination, lambda _instance, _status: None)
    assert len(orthanc.get("/series")) == 1
    assert len(orthanc.get("/instances")) == 3
    (patient,) = (_tags(orthanc, name) for name in orthanc.get("/patients"))
    assert (patient["PatientName"], patient["PatientID"]) == ("Müller^Jörg", "00123")


def _tags(orthanc: Orthanc, patient: str) -> dict[str, Any]:
    answer: dict[str, Any] = orthanc.get(f"/patients/{patient}")["MainDicomTags"]
    return answer


@pytest.mark.peer("Orthanc")
def test_orthanc_of_another_name(orthanc: Orthanc) -> None:
    with pytest.raises(PeerRefused, match="called AE title not recognised"):
        echo(pacs(orthanc.dicom_port, "OTHER"))
