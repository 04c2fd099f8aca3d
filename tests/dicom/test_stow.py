"""An archive on the web: the answer for each instance counts, and silence about one is no success."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread

from gateway.dicom.stow import store_by_web
from gateway.dicom.syntaxes import unpacked
from gateway.model.destinations import StowDestination
from gateway.model.errors import DamagedFile, GatewayError, PeerRefused, PeerUnreachable, SettingsFault
from gateway.model.form import Compression
from tests.dicom import scans
from tests.dicom.outbox import Written, several, written
from tests.dicom.test_store import Diary
from tests.peers import LOOPBACK, Orthanc, free_port

Reply = tuple[int, bytes]
Script = Callable[[list[str], Message], Reply]
"""From the UIDs that a request carries, and its headers, to a status and a body."""


@contextmanager
def archive(
    script: Script, *, keeps_open: bool = False, closes_unasked: bool = False, callers: list[int] | None = None
) -> Iterator[StowDestination]:
    """Serve STOW-RS as told; the parts are read by the standard library's mail parser.

    Parameters
    ----------
    keeps_open
        Whether a connection serves several requests; ``closes_unasked``, whether it is closed all the same.
    callers
        Gets the port of the caller with each request.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1" if keeps_open else "HTTP/1.0"

        def do_POST(self) -> None:
            if callers is not None:
                callers.append(self.client_address[1])
            assert self.path == "/dicom-web/studies"
            head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
            parts = BytesParser().parsebytes(head + self.rfile.read(int(self.headers["Content-Length"])))
            files = [part.get_payload(decode=True) for part in parts.walk() if not part.is_multipart()]
            uids = [dcmread(BytesIO(file)).SOPInstanceUID for file in files if isinstance(file, bytes)]
            status, body = script(uids, self.headers)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = closes_unasked or not keeps_open

        def log_message(self, *_: object) -> None:
            """Keep the tests quiet."""

    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield at(server.server_port)
        finally:
            server.shutdown()
            thread.join()


def at(port: int, **options: Any) -> StowDestination:  # noqa: ANN401 - any option
    """An archive on the loopback; one connection, so that the order is known."""
    given = {"timeout_s": 5, "max_connections": 1} | options
    return StowDestination(url=f"http://{LOOPBACK}:{port}/dicom-web", plain=True, **given)


def told(stored: dict[str, int | None], failed: dict[str, int] | None = None) -> bytes:
    """The body of an answer (PS3.18 annex I)."""

    def item(uid: str, tag: str, reason: int | None) -> dict[str, Any]:
        about: dict[str, Any] = {"00081155": {"vr": "UI", "Value": [uid]}}
        return about | ({} if reason is None else {tag: {"vr": "US", "Value": [reason]}})

    answer = {}
    if stored:
        answer["00081199"] = {"vr": "SQ", "Value": [item(uid, "00081196", why) for uid, why in stored.items()]}
    if failed:
        answer["00081198"] = {"vr": "SQ", "Value": [item(uid, "00081197", why) for uid, why in failed.items()]}
    return json.dumps(answer).encode()


@pytest.fixture
def series(tmp_path: Path) -> Written:
    return written(tmp_path)


def test_every_instance_that_is_named_is_stored_with_its_warning(series: Written) -> None:
    diary = Diary()
    with archive(lambda uids, _: (200, told({uids[0]: None, uids[1]: 0xB000, uids[2]: None}))) as destination:
        store_by_web(series, destination, diary)
    assert diary.entries == [(1, 0), (2, 0xB000), (3, 0)]


def test_so_many_go_into_one_request_as_are_allowed(series: Written) -> None:
    requests: list[list[str]] = []

    def keep(uids: list[str], _: Message) -> Reply:
        requests.append(uids)
        return 200, told(dict.fromkeys(uids))

    diary = Diary()
    with archive(keep) as destination:
        store_by_web(series, destination.model_copy(update={"instances_per_request": 2}), diary)
    assert [len(uids) for uids in requests] == [2, 1]
    assert [uid for uids in requests for uid in uids] == [instance.sop_instance_uid for instance, _ in series]
    assert diary.entries == [(1, 0), (2, 0), (3, 0)]


@pytest.mark.parametrize(
    ("status", "reason", "error"),
    [(202, 0xA900, PeerRefused), (400, 0xA700, PeerUnreachable), (409, 0xC000, PeerRefused)],
)
def test_what_failed_is_told_from_what_was_stored(
    status: int, reason: int, error: type[GatewayError], series: Written
) -> None:
    diary = Diary()
    with (
        archive(lambda uids, _: (status, told({uids[0]: None, uids[2]: None}, {uids[1]: reason}))) as destination,
        pytest.raises(error, match=f"0x{reason:04X}.*{series[1][0].sop_instance_uid}"),
    ):
        store_by_web(series, destination, diary)
    assert diary.entries == [(1, 0), (3, 0)]


@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b'{"00081199": {"Value": [{}]}}', told({"1.2.3": None})])
def test_silence_about_an_instance_is_no_success(body: bytes, series: Written) -> None:
    diary = Diary()
    with archive(lambda _uids, _: (200, body)) as destination, pytest.raises(PeerUnreachable, match="nothing about"):
        store_by_web(series, destination, diary)
    assert diary.entries == []


@pytest.mark.parametrize(
    ("status", "error"),
    [
        *[(status, PeerUnreachable) for status in (408, 429, 500, 502, 503, 504)],
        *[(status, PeerRefused) for status in (301, 400, 401, 403, 404, 409, 415)],
    ],
)
def test_what_may_pass_is_told_from_what_will_not(status: int, error: type[GatewayError], series: Written) -> None:
    with archive(lambda _uids, _: (status, b"")) as destination, pytest.raises(error, match=str(status)):
        store_by_web(series, destination, Diary())


def test_a_request_that_is_too_large_is_halved(series: Written) -> None:
    diary = Diary()
    with archive(lambda uids, _: (413, b"") if len(uids) > 1 else (200, told(dict.fromkeys(uids)))) as destination:
        store_by_web(series, destination, diary)
    assert diary.entries == [(1, 0), (2, 0), (3, 0)]
    with archive(lambda _uids, _: (413, b"")) as destination, pytest.raises(PeerRefused, match="413"):
        store_by_web(series, destination, diary)


def test_one_connection_serves_all_requests_and_is_opened_again_where_the_archive_has_closed_it(
    series: Written,
) -> None:
    asked: list[int] = []

    def keep(uids: list[str], _: Message) -> Reply:
        return 200, told(dict.fromkeys(uids))

    for closes in (False, True):
        diary = Diary()
        with archive(keep, keeps_open=True, closes_unasked=closes, callers=asked) as destination:
            store_by_web(series, destination.model_copy(update={"instances_per_request": 1}), diary)
        assert diary.entries == [(1, 0), (2, 0), (3, 0)]
        assert len(asked) == 3
        assert len(set(asked)) == (3 if closes else 1)
        asked.clear()


@pytest.mark.parametrize("allowed", [1, 2, 3])
def test_as_many_requests_are_under_way_as_are_allowed_and_no_more(allowed: int, tmp_path: Path) -> None:
    series = several(tmp_path, 6)
    under_way, most, lock, met = 0, 0, threading.Lock(), threading.Barrier(allowed)

    def keep(uids: list[str], _: Message) -> Reply:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        met.wait(5)
        with lock:
            under_way -= 1
        return 200, told(dict.fromkeys(uids))

    diary = Diary()
    with archive(keep) as destination:
        options = {"instances_per_request": 1, "max_connections": allowed}
        store_by_web(series, destination.model_copy(update=options), diary)
    assert most == allowed
    assert sorted(diary.entries) == [(number, 0) for number in range(1, 7)]


def test_an_archive_that_serves_one_at_a_time_gets_the_series_one_by_one(tmp_path: Path) -> None:
    series = several(tmp_path, 6)
    busy, refused = threading.Lock(), threading.Event()

    def keep(uids: list[str], _: Message) -> Reply:
        if not busy.acquire(blocking=False):
            refused.set()
            return 503, b""
        try:
            refused.wait(5)
            return 200, told(dict.fromkeys(uids))
        finally:
            busy.release()

    diary = Diary()
    with archive(keep) as destination:
        options = {"instances_per_request": 1, "max_connections": 2}
        store_by_web(series, destination.model_copy(update=options), diary)
    assert refused.is_set()
    assert sorted(diary.entries) == [(number, 0) for number in range(1, 7)]


def test_where_one_request_fails_all_of_them_stop(tmp_path: Path) -> None:
    series = several(tmp_path, 40)
    diary = Diary()

    def refuse_the_third(uids: list[str], _: Message) -> Reply:
        bad = uids[0] == series[2][0].sop_instance_uid
        return (409, told({}, dict.fromkeys(uids, 0xA900))) if bad else (200, told(dict.fromkeys(uids)))

    with archive(refuse_the_third) as destination:
        several_at_once = destination.model_copy(update={"instances_per_request": 1, "max_connections": 3})
        with pytest.raises(PeerRefused, match="0xA900"):
            store_by_web(series, several_at_once, diary)
    assert len(diary.entries) < 39


def test_the_token_is_read_when_it_is_needed(series: Written, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret\n")

    def ask(uids: list[str], headers: Message) -> Reply:
        return (200, told(dict.fromkeys(uids))) if headers["Authorization"] == "Bearer secret" else (401, b"")

    with archive(ask) as destination:
        with pytest.raises(PeerRefused, match="401"):
            store_by_web(series, destination, Diary())
        store_by_web(series, destination.model_copy(update={"token_file": token}), Diary())
        token.unlink()
        with pytest.raises(SettingsFault, match="token"):
            store_by_web(series, destination.model_copy(update={"token_file": token}), Diary())


def test_an_archive_that_does_not_take_the_packing_gets_the_pixels_unpacked(series: Written, tmp_path: Path) -> None:
    packed = written(tmp_path / "packed", compression=Compression.JPEG_LS)
    for how in ("415", "C122"):
        seen: list[str] = []

        def refuse_the_first(uids: list[str], _: Message, seen: list[str] = seen, how: str = how) -> Reply:
            seen.append(uids[0])
            if len(seen) > 1:
                return 200, told(dict.fromkeys(uids))
            return (415, b"") if how == "415" else (409, told({}, dict.fromkeys(uids, 0xC122)))

        diary = Diary()
        with archive(refuse_the_first) as destination:
            store_by_web(packed, destination, diary)
        assert diary.entries == [(1, 0), (2, 0), (3, 0)]
        assert len(seen) == 2
    assert [unpacked(path.read_bytes()) for _, path in packed] == [path.read_bytes() for _, path in series]


def test_nobody_there(series: Written) -> None:
    with pytest.raises(PeerUnreachable, match="does not answer"):
        store_by_web(series, at(free_port()), Diary())


def test_a_file_that_has_changed_is_not_sent(series: Written) -> None:
    series[0][1].write_bytes(b"other")
    with pytest.raises(DamagedFile):
        store_by_web(series, at(free_port()), Diary())


def test_an_archive_that_drips_its_answer_ends_in_time(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).random((1, 8, 8), dtype=np.float32)
    series = written(tmp_path, scans.images(pixels, scans.frames(np.eye(3))))
    over = threading.Event()

    class Drips(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            while not over.wait(0.05):
                self.wfile.write(b"H")
                self.wfile.flush()

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """The gateway hangs up, as it should."""

    with Quiet((LOOPBACK, 0), Drips) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        begin = time.monotonic()
        try:
            with pytest.raises(PeerUnreachable):
                store_by_web(series, at(server.server_port).model_copy(update={"timeout_s": 0.6}), Diary())
            assert time.monotonic() - begin < 5
        finally:
            over.set()
            server.shutdown()
            thread.join()


@pytest.mark.peer("Orthanc", "libOrthancDicomWeb.so")
def test_orthanc_keeps_what_came_by_web(orthanc: Orthanc, series: Written) -> None:
    destination = StowDestination(url=f"{orthanc.http_url}/dicom-web", plain=True)
    diary = Diary()
    store_by_web(series, destination, diary)
    store_by_web(series, destination, Diary())
    assert diary.entries == [(1, 0), (2, 0), (3, 0)]
    stored = {orthanc.get(f"/instances/{each}/tags?simplify")["SOPInstanceUID"] for each in orthanc.get("/instances")}
    assert stored == {instance.sop_instance_uid for instance, _ in series}
