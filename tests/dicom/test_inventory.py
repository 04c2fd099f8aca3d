"""What a destination has is asked to the last page, and an answer that is none is not taken for one."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from pydicom import dcmread

from gateway.dicom.folder import store_in_folder
from gateway.dicom.inventory import Wanted, in_archive, in_folder, in_pacs
from gateway.dicom.store import store
from gateway.dicom.stow import store_by_web
from gateway.model.destinations import FolderDestination, StowDestination
from gateway.model.errors import PeerRefused, PeerUnreachable
from tests.dicom.outbox import Written, pacs, written
from tests.peers import LOOPBACK, Orthanc

STUDY, SERIES = "1.2.3", "1.2.3.4"


@pytest.fixture
def series(tmp_path: Path) -> Written:
    return written(tmp_path)


def wanted(series: Written) -> Wanted:
    ds = dcmread(series[0][1], stop_before_pixels=True)
    return Wanted(study_instance_uid=ds.StudyInstanceUID, series_instance_uid=ds.SeriesInstanceUID, files=series)


def uids(series: Written) -> set[str]:
    return {instance.sop_instance_uid for instance, _ in series}


@pytest.mark.peer("Orthanc", "libOrthancDicomWeb.so")
def test_orthanc_shows_what_it_has_by_query_and_by_web(orthanc: Orthanc, series: Written) -> None:
    destination = pacs(orthanc.dicom_port, orthanc.ae_title)
    archive = StowDestination(url=f"{orthanc.http_url}/dicom-web", plain=True)
    assert in_pacs(destination, wanted(series)) == in_archive(archive, wanted(series)) == set()
    store(series[:2], destination, lambda _instance, _status: None)
    store_by_web(series[2:], archive, lambda _instance, _status: None)
    assert in_pacs(destination, wanted(series)) == in_archive(archive, wanted(series)) == uids(series)
    url = f"{orthanc.http_url}/instances/{orthanc.get('/instances')[0]}"
    with urllib.request.urlopen(urllib.request.Request(url, method="DELETE")):
        pass
    left = in_pacs(destination, wanted(series))
    assert left == in_archive(archive, wanted(series))
    assert len(left) == 2


def test_a_folder_has_what_can_be_read_back(series: Written, tmp_path: Path) -> None:
    shelf = FolderDestination(path=tmp_path / "shelf")
    store_in_folder(series, shelf, lambda _instance, _status: None)
    assert in_folder(shelf, wanted(series)) == uids(series)
    first, second, _third = sorted((tmp_path / "shelf").rglob("*.dcm"))
    first.unlink()
    second.write_bytes(second.read_bytes()[:-1])
    assert in_folder(shelf, wanted(series)) == {series[2][0].sop_instance_uid}


Reply = tuple[int, bytes]


@contextmanager
def answering(script: Callable[[str, dict[str, list[str]]], Reply]) -> Iterator[StowDestination]:
    """An archive that answers queries as its script says."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            status, body = script(asked.path, parse_qs(asked.query))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep the tests quiet."""

    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield StowDestination(url=f"http://{LOOPBACK}:{server.server_port}/dicom-web", plain=True, timeout_s=5)
        finally:
            server.shutdown()
            thread.join()


NOTHING_OF = Wanted(study_instance_uid=STUDY, series_instance_uid=SERIES, files=())


def page(numbers: range) -> bytes:
    return json.dumps([{"00080018": {"vr": "UI", "Value": [f"1.2.3.4.{number}"]}} for number in numbers]).encode()


def test_an_archive_that_answers_page_by_page_is_asked_to_the_end(series: Written) -> None:
    """Whatever size of page it likes."""

    def some(path: str, query: dict[str, list[str]]) -> Reply:
        assert path == f"/dicom-web/studies/{STUDY}/series/{SERIES}/instances"
        begin = int(query["offset"][0])
        return 200, page(range(begin, min(begin + 7, 50)))

    with answering(some) as archive:
        found = in_archive(archive, Wanted(study_instance_uid=STUDY, series_instance_uid=SERIES, files=series))
    assert found == {f"1.2.3.4.{number}" for number in range(50)}


def test_an_archive_that_does_not_know_pages_is_not_asked_for_ever() -> None:
    with answering(lambda _path, _query: (200, page(range(9)))) as archive:
        assert len(in_archive(archive, NOTHING_OF)) == 9


@pytest.mark.parametrize("status", [204, 404])
def test_nothing_is_nothing(status: int) -> None:
    with answering(lambda _path, _query: (status, b"")) as archive:
        assert in_archive(archive, NOTHING_OF) == set()


@pytest.mark.parametrize("status", [400, 401, 403, 405, 406])
def test_an_archive_that_refuses_the_question_has_not_said_that_it_has_nothing(status: int) -> None:
    with answering(lambda _path, _query: (status, b"")) as archive, pytest.raises(PeerRefused, match=str(status)):
        in_archive(archive, NOTHING_OF)


@pytest.mark.parametrize(
    "reply", [(500, b""), (503, b""), (429, b""), (200, b"{"), (200, b'{"a": 1}'), (200, b"[1]"), (200, b"[{}]")]
)
def test_an_answer_that_is_none_is_asked_for_again_later(reply: Reply) -> None:
    with answering(lambda _path, _query: reply) as archive, pytest.raises(PeerUnreachable):
        in_archive(archive, NOTHING_OF)
