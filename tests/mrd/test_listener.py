from __future__ import annotations

import os
import re
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from gateway.model.errors import GatewayError, PeerRefused, PeerUnreachable, StorageFault
from gateway.model.scan import ScanState, Verdict
from gateway.mrd import messages
from gateway.mrd.client import send_session
from gateway.mrd.framing import MessageId
from gateway.mrd.listener import Listener, SessionLimits
from gateway.mrd.parser import Parser
from tests.mrd.streams import CLOSE, acquisition, serialized

SCAN = serialized(acquisition(0), acquisition(1))
HOST = "127.0.0.1"


class Memory:
    """A recorder that keeps everything, and tells when it is finished."""

    def __init__(self) -> None:
        self.content = bytearray()
        self.begun = False
        self.n_acquisitions = 0
        self.verdict: Verdict | None = None
        self.discarded = False
        self.lost = ""
        self.ended = threading.Event()

    def begin(self) -> None:
        self.begun = True

    def write(self, chunk: memoryview) -> None:
        self.content += chunk

    def count(self, n_acquisitions: int) -> None:
        self.n_acquisitions = n_acquisitions

    def finish(self, verdict: Verdict) -> str:
        self.verdict = verdict
        return f"{verdict.state} {verdict.reason}"

    def respond(self, _stopping: threading.Event) -> Iterator[bytes]:
        return iter(())

    def discard(self) -> None:
        self.discarded = True

    def lose(self, reason: str) -> None:
        self.lost = reason

    def abandon(self) -> None:
        self.ended.set()

    def wait(self) -> Verdict:
        assert self.ended.wait(20)
        assert self.verdict is not None
        return self.verdict


class FullDisk(Memory):
    def write(self, chunk: memoryview) -> None:
        raise StorageFault(f"no room for {len(chunk)} bytes")


class Sessions:
    """A running listener and the recorders of the sessions that it has had."""

    def __init__(self, limits: SessionLimits, kind: Callable[[], Memory]) -> None:
        self.recorders: list[Memory] = []
        self.opened = threading.Semaphore(0)
        self._kind = kind
        self.listener = Listener(HOST, 0, limits=limits, open_recorder=self._open)

    def _open(self, peer: str) -> Memory:
        assert peer == HOST
        self.recorders.append(self._kind())
        self.opened.release()
        return self.recorders[-1]

    def connect(self) -> socket.socket:
        connection = socket.create_connection((HOST, self.listener.port), 20)
        assert self.opened.acquire(timeout=20)
        return connection


@contextmanager
def listening(kind: Callable[[], Memory] = Memory, **limits: float) -> Iterator[Sessions]:
    sessions = Sessions(SessionLimits(**limits), kind)  # type: ignore[arg-type]
    sessions.listener.start()
    try:
        yield sessions
    finally:
        sessions.listener.stop(grace_s=0.1)


def answer_of(connection: socket.socket) -> tuple[list[str], bool]:
    """What the listener says until it closes: its texts, and whether there was a CLOSE."""
    parser, found = Parser(), []
    while chunk := connection.recv(4096):
        found += parser.feed(chunk)
    return [messages.decode_text(one.body) for one in found if one.id is MessageId.TEXT], parser.closed


def test_a_scan_arrives_byte_for_byte_and_is_answered_with_close() -> None:
    with listening() as sessions:
        sent: list[int] = []
        receipt = send_session([SCAN[:700], SCAN[700:]], HOST, sessions.listener.port, on_sent=sent.append)
        recorder = sessions.recorders[0]
        assert recorder.content == SCAN
        assert recorder.begun
        assert recorder.wait().state is ScanState.COMPLETE
        assert receipt.texts == ("COMPLETE ",)
        assert sum(sent) == receipt.n_bytes == len(SCAN)


def test_a_client_that_half_closes_still_gets_its_answer() -> None:
    with listening() as sessions, sessions.connect() as connection:
        connection.sendall(SCAN)
        connection.shutdown(socket.SHUT_WR)
        assert answer_of(connection) == (["COMPLETE "], True)


@pytest.mark.parametrize("kept", [1027, 1500, len(SCAN) - 3, len(SCAN) - 1])
def test_a_lost_connection_is_incomplete_and_gets_no_close(kept: int) -> None:
    with listening() as sessions, sessions.connect() as connection:
        connection.sendall(SCAN[:kept])
        connection.shutdown(socket.SHUT_WR)
        texts, closed = answer_of(connection)
        assert not closed
        if sessions.recorders[0].verdict:
            assert texts[0].startswith("INCOMPLETE")
        assert sessions.recorders[0].content == SCAN[:kept]


def test_a_reset_connection_is_incomplete() -> None:
    with listening() as sessions:
        connection = sessions.connect()
        connection.sendall(SCAN[:-2])
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
        assert sessions.recorders[0].wait().state is ScanState.INCOMPLETE


DEPENDENCIES = b"<gadgetronStreamConfiguration><writer><classname>DependencyQueryWriter</classname></writer>"
QUERIES = struct.pack("<HI", MessageId.CONFIG_TEXT, len(DEPENDENCIES) + 1) + DEPENDENCIES + b"\0"
"""What Gadgetron's client asks before each scan that names a noise measurement; CLOSE is answer enough."""


@pytest.mark.parametrize("stream", [b"", messages.config_file("isalive.xml") + CLOSE, QUERIES + CLOSE])
def test_probes_and_health_checks_are_answered_and_forgotten(stream: bytes) -> None:
    with listening() as sessions, sessions.connect() as connection:
        connection.sendall(stream)
        connection.shutdown(socket.SHUT_WR)
        assert answer_of(connection) == ([], bool(stream))
        assert sessions.recorders[0].ended.wait(20)
        assert sessions.recorders[0].discarded


def test_a_query_is_answered_while_the_session_goes_on() -> None:
    with listening() as sessions, sessions.connect() as connection:
        connection.sendall(struct.pack("<HQQQ", MessageId.QUERY, 0, 5, 1) + b"x")
        assert connection.recv(4096) == messages.response(5, "Unknown query")
        connection.sendall(SCAN)
        assert answer_of(connection)[1]


@pytest.mark.parametrize(
    ("stream", "words"), [(b"GET / HTTP/1.1\r\n\r\n", "not one of MRD"), (b"yardl123", "version 2")]
)
def test_what_is_not_mrd_is_told_so(stream: bytes, words: str) -> None:
    with listening() as sessions:
        with pytest.raises(PeerRefused, match=words):
            send_session([stream], HOST, sessions.listener.port, on_sent=lambda _n: None)
        assert sessions.recorders[0].wait().state is ScanState.REJECTED


def test_a_client_that_keeps_sending_after_a_fault_still_reads_why() -> None:
    stream = [serialized(config=None)[:-2] * 2, *[bytes(1 << 16)] * 100]
    with listening() as sessions, pytest.raises(PeerRefused, match="second header"):
        send_session(stream, HOST, sessions.listener.port, on_sent=lambda _n: None)


def test_a_recorder_that_fails_is_told_and_never_acknowledged() -> None:
    with listening(FullDisk) as sessions, pytest.raises(PeerRefused, match="NOT STORED: no room"):
        send_session([SCAN], HOST, sessions.listener.port, on_sent=lambda _n: None)
    assert sessions.recorders[0].ended.wait(20)
    assert "no room" in sessions.recorders[0].lost


@pytest.mark.parametrize(
    ("sent", "limits"),
    [
        (b"", {"first_message_s": 0.05}),
        (SCAN[:10], {"first_message_s": 0.05}),
        (SCAN[:1500], {"message_s": 0.05}),
        (SCAN[:-2], {"idle_s": 0.05}),
        (SCAN[:-2], {"session_s": 0.05}),
    ],
)
def test_every_wait_has_an_end(sent: bytes, limits: dict[str, float]) -> None:
    with listening(Memory, **limits) as sessions, sessions.connect() as connection:
        connection.sendall(sent)
        texts, closed = answer_of(connection)
        assert not closed
        assert sessions.recorders[0].ended.wait(20)
        assert sessions.recorders[0].discarded or "silent for too long" in texts[0]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes a network of its own")
def test_a_line_that_dies_without_a_word_is_noticed() -> None:
    """In a network namespace of its own; what is in it goes over a loopback that is then taken down."""
    child = [sys.executable, "-m", "tests.mrd.dying_line"]
    done = subprocess.run(
        ["/usr/bin/unshare", "--net", *child], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, f"the connection was lost after {len(SCAN) - 700} bytes"), done.stderr


def test_a_machine_without_descriptors_takes_nobody_and_then_goes_on() -> None:
    child = [sys.executable, "-m", "tests.mrd.no_descriptors"]
    done = subprocess.run(child, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "told 1 times, then COMPLETE"), done.stderr


def test_a_silent_client_delays_no_other() -> None:
    with listening() as sessions, sessions.connect() as silent:
        silent.sendall(SCAN[:5])
        for _ in range(3):
            send_session([SCAN], HOST, sessions.listener.port, on_sent=lambda _n: None)


def test_everybody_gets_an_answer_when_it_is_busy() -> None:
    with listening(sessions=2) as sessions:
        held = [sessions.connect() for _ in range(2)]
        with pytest.raises(PeerRefused, match="busy: 2 sessions"):
            send_session([SCAN], HOST, sessions.listener.port, on_sent=lambda _n: None)
        for connection in held:
            connection.sendall(SCAN)
            assert answer_of(connection)[1]
            connection.close()


def test_one_address_does_not_take_all_sessions() -> None:
    words = re.escape(f"busy: 1 sessions are open from {HOST}")
    with listening(sessions_per_address=1) as sessions, sessions.connect(), pytest.raises(PeerRefused, match=words):
        send_session([SCAN], HOST, sessions.listener.port, on_sent=lambda _n: None)


def test_a_port_that_is_taken_is_named() -> None:
    with (
        listening() as sessions,
        pytest.raises(GatewayError, match=f"{HOST}:{sessions.listener.port}: Address already"),
    ):
        Listener(HOST, sessions.listener.port, limits=SessionLimits(), open_recorder=lambda _peer: Memory())


def test_nobody_listening_is_named(free_port: int) -> None:
    with pytest.raises(PeerUnreachable, match=f"nobody takes scans at {HOST}:{free_port}"):
        send_session([SCAN], HOST, free_port, on_sent=lambda _n: None)


def test_stopping_ends_open_sessions_as_incomplete() -> None:
    with listening() as sessions:
        connection = sessions.connect()
        connection.sendall(SCAN[:-2])
        while len(sessions.recorders[0].content) < len(SCAN) - 2:
            pass
    assert sessions.recorders[0].wait().state is ScanState.INCOMPLETE
    connection.close()
