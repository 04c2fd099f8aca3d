"""No peer can keep the gateway waiting longer than its timeouts, and no answer gets lost on the way."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pynetdicom.events import Event

from gateway.dicom import pdu
from gateway.dicom.negotiation import REJECTIONS, Rejection
from gateway.dicom.pdu import LARGEST_PDU_BYTES
from gateway.dicom.scp import StoreScp
from gateway.dicom.store import echo, store
from gateway.model.errors import PeerRefused, PeerUnreachable
from tests.dicom import scans
from tests.dicom.outbox import pacs, written
from tests.dicom.scripted import accept_association, receive_pdu, rejects, reset, rude_peer, scripted_pacs
from tests.peers import LOOPBACK

TIMEOUT_S = 0.6
PATIENCE_S = 10 * TIMEOUT_S


def say_nothing(_connection: socket.socket, over: threading.Event) -> None:
    over.wait()


def stop_inside_a_pdu_head(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(b"\2\0\0")
    over.wait()


def drip_a_pdu_of_four_gibibytes(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(b"\2\0\xff\xff\xff\xff")
    while not over.wait(0.05):
        connection.sendall(b"\0")


def drip_a_pdu(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(b"\2\0\0\1\0\0")
    while not over.wait(0.05):
        connection.sendall(b"\0")


def accept_and_say_nothing(connection: socket.socket, over: threading.Event) -> None:
    accept_association(connection)
    over.wait()


def stop_inside_the_answer(connection: socket.socket, over: threading.Event) -> None:
    accept_association(connection)
    receive_pdu(connection)
    connection.sendall(b"\4\0\0")
    over.wait()


def hang_up(connection: socket.socket, _over: threading.Event) -> None:
    accept_association(connection)
    receive_pdu(connection)
    connection.shutdown(socket.SHUT_RDWR)


def reset_before_an_answer(connection: socket.socket, _over: threading.Event) -> None:
    receive_pdu(connection)
    reset(connection)


def reset_inside_a_series(connection: socket.socket, _over: threading.Event) -> None:
    accept_association(connection)
    receive_pdu(connection)
    reset(connection)


def abort_at_once(connection: socket.socket, _over: threading.Event) -> None:
    receive_pdu(connection)
    connection.sendall(pdu.abort())


def abort_inside_a_series(connection: socket.socket, _over: threading.Event) -> None:
    accept_association(connection)
    receive_pdu(connection)
    connection.sendall(pdu.abort())


def talk_nonsense(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    over.wait()


@pytest.mark.parametrize(
    "manners",
    [
        say_nothing,
        stop_inside_a_pdu_head,
        drip_a_pdu_of_four_gibibytes,
        drip_a_pdu,
        accept_and_say_nothing,
        stop_inside_the_answer,
        hang_up,
        reset_before_an_answer,
        reset_inside_a_series,
        abort_at_once,
        abort_inside_a_series,
        talk_nonsense,
    ],
)
def test_bad_manners_end_in_time(manners: Callable[[socket.socket, threading.Event], None], tmp_path: Path) -> None:
    series = written(tmp_path)
    stored: list[int] = []
    start = time.monotonic()
    with rude_peer(manners) as port, pytest.raises(PeerUnreachable):
        store(series, pacs(port, timeout_s=TIMEOUT_S), lambda instance, _status: stored.append(instance.number))
    assert time.monotonic() - start < PATIENCE_S
    assert not stored


@pytest.mark.parametrize("result", [1, 2], ids=["permanent", "transient"])
@pytest.mark.parametrize(("source", "reason"), [*REJECTIONS, (2, 9)])
def test_a_rejection_says_who_rejects_why_and_whether_for_good(
    result: int, source: int, reason: int, tmp_path: Path
) -> None:
    said = REJECTIONS.get((source, reason), "unknown reason").partition(":")[0]
    kind = PeerRefused if result == 1 else PeerUnreachable
    with rude_peer(rejects(Rejection(result, source, reason))) as port:
        with pytest.raises(kind, match=f"rejected the association, called as 'PACS' by 'MRGW': {said}") as fault:
            store(written(tmp_path), pacs(port, timeout_s=TIMEOUT_S), lambda _instance, _status: None)
        assert type(fault.value) is kind


def test_a_peer_that_stops_reading_ends_in_time(tmp_path: Path) -> None:
    """More than any socket buffer holds, so that sending itself has to stop."""
    noise = np.random.default_rng(0).random((1, 2048, 4096), dtype=np.float32)
    series = written(tmp_path, scans.images(noise, scans.frames(np.eye(3))))
    start = time.monotonic()
    with rude_peer(accept_and_say_nothing) as port, pytest.raises(PeerUnreachable):
        store(series, pacs(port, timeout_s=TIMEOUT_S), lambda _instance, _status: None)
    assert time.monotonic() - start < PATIENCE_S


def test_no_thread_is_left_behind(tmp_path: Path) -> None:
    """More associations than one need threads, and only as long as there is something to send."""
    series = written(tmp_path)
    ours: set[str] = set()

    def look(_event: Event) -> int:
        ours.update(thread.name for thread in threading.enumerate() if thread.name.startswith("association"))
        return 0

    with scripted_pacs(look) as (port, _):
        store(series, pacs(port, max_associations=2), lambda _instance, _status: None)
        assert ours
        assert not [thread for thread in threading.enumerate() if thread.name in ours]


def test_our_own_listener_drops_a_caller_that_announces_too_much(tmp_path: Path) -> None:
    with StoreScp("PACS", LOOPBACK, 0, tmp_path) as scp, socket.create_connection((LOOPBACK, scp.port)) as caller:
        caller.settimeout(5)
        caller.sendall(b"\1\0" + (LARGEST_PDU_BYTES + 1).to_bytes(4, "big"))
        assert caller.recv(100) == b""
        echo(pacs(scp.port))
