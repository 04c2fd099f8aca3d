"""DCMTK's archive as a PACS: it stores, is asked whose scan it is, and shows by a query what it keeps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import dcmread

from gateway.dicom.identity import identity_of_header
from gateway.dicom.inventory import Wanted, in_pacs
from gateway.dicom.listing import list_studies
from gateway.dicom.lookup import look_up
from gateway.dicom.store import echo, store
from gateway.model.delivery import DeliveryState
from gateway.model.errors import PeerRefused
from gateway.model.form import Compression
from gateway.model.sources import PacsSource
from tests.dicom import scans
from tests.dicom.outbox import Written, pacs, several, written
from tests.dicom.qrscp import AE_TITLE, qrscp
from tests.jobs.conftest import TurnedClock
from tests.peers import LOOPBACK
from tests.test_deliver import N_IMAGES, Site, run_next

pytestmark = pytest.mark.peer("dcmqrscp")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("qrscp")


@pytest.fixture(scope="module")
def port(folder: Path) -> Iterator[int]:
    with qrscp(folder) as port:
        yield port


def wanted(series: Written) -> Wanted:
    first = dcmread(series[0][1], stop_before_pixels=True)
    study, uid = first.StudyInstanceUID, first.SeriesInstanceUID
    return Wanted(study_instance_uid=study, series_instance_uid=uid, files=series)


def uids(series: Written) -> set[str]:
    return {instance.sop_instance_uid for instance, _ in series}


def test_it_takes_what_is_packed_as_it_is_unpacked_over_several_associations(port: int, tmp_path: Path) -> None:
    series = written(tmp_path, compression=Compression.RLE)
    destination = pacs(port, AE_TITLE, compression="rle", max_associations=3)
    echo(destination)
    for _ in range(2):
        store(series, destination, lambda _instance, _status: None)
    assert in_pacs(destination, wanted(series)) == uids(series)


def test_it_says_whose_scan_it_is(port: int, tmp_path: Path) -> None:
    header = replace(scans.header(), study=replace(scans.header().study, instance_uid="1.2.826.0.1.3680043.8.498.5"))
    store(several(tmp_path, 2), pacs(port, AE_TITLE), lambda _instance, _status: None)
    source = PacsSource(host=LOOPBACK, port=port, ae_title=AE_TITLE, plain=True, timeout_s=10)
    said = identity_of_header(scans.header())
    answer = look_up(source, said)
    assert answer is not None
    assert [(one.study_instance_uid, one.patient_name) for one in answer.found] == [
        (said.study_instance_uid, said.patient_name)
    ]
    assert [row.identity.patient_id for row in list_studies(source, {"patient_id": str(said.patient_id)})] == ["00123"]
    elsewhere = identity_of_header(header)
    assert look_up(source, replace(elsewhere, accession_number=None, patient_id=None)) is None


def test_another_name_is_rejected(port: int) -> None:
    with pytest.raises(PeerRefused, match="called AE title not recognised"):
        echo(pacs(port, "OTHER"))


def test_a_series_is_committed_by_what_a_query_shows(tmp_path: Path) -> None:
    """It takes no request for commitment."""
    site = Site(tmp_path / "site", TurnedClock())
    site.finish("a")
    with qrscp(tmp_path / "pacs") as port:
        # one at a time: several race for the index of dcmqrscp, which then shows one instance fewer (DCMTK 3.6.7)
        destination = pacs(port, AE_TITLE, commitment_timeout_s=60, max_associations=1)
        run_next(site, site.deliverer(a=destination))
    assert site.states() == {"a": DeliveryState.COMMITTED}
    (view,) = site.queries.job(1).deliveries
    assert view.reason == f"{N_IMAGES} of {N_IMAGES} instances shown"
