"""A PACS that breaks off while it is asked for commitment, or reports: in time, in sight, and asked again later."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.dicom import pdu
from gateway.dicom.command import encode_command
from gateway.dicom.commitment import SUCCESS, read_request, report_of
from gateway.dicom.messages import Channel, answer_to
from gateway.dicom.negotiation import REJECTIONS, Rejection
from gateway.dicom.session import Answer
from gateway.dicom.syntaxes import UNCOMPRESSED, encode_dataset
from gateway.dicom.wire import Wire
from gateway.model.delivery import DeliveryState
from gateway.model.errors import PeerUnreachable
from gateway.model.work import WorkEvent
from tests.dicom.committing import Archive, committing
from tests.dicom.outbox import pacs
from tests.dicom.scripted import accept_association, rejects, reset, rude_peer
from tests.jobs.conftest import TurnedClock
from tests.test_deliver import Site, run_next

TIMEOUT_S = 0.5
PATIENCE_S = 10 * TIMEOUT_S
DUE_S = 60.0

Talk = Callable[[socket.socket, threading.Event], None]


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
def archive() -> Archive:
    return Archive()


@pytest.fixture
def site(tmp_path: Path, clock: TurnedClock, archive: Archive) -> Site:
    """With one series that a PACS has stored, and that it has not been asked to keep to the end."""
    site = Site(tmp_path, clock)
    site.finish("a")

    def break_off(_transaction: str) -> Answer:
        raise PeerUnreachable("the PACS died of it")

    archive.on_request = break_off
    with committing(archive) as port:
        ask(site, port)
    archive.on_request = lambda _transaction: None
    clock.turn(1)
    return site


def ask(site: Site, port: int) -> None:
    """Work the delivery; the PACS has to report."""
    patience = {"timeout_s": TIMEOUT_S, "report_wait_s": TIMEOUT_S, "commitment_timeout_s": DUE_S}
    run_next(site, site.deliverer(a=pacs(port, "PACS", commitment="required", **patience)))


def told(site: Site) -> tuple[DeliveryState, str]:
    """What the page says of the delivery."""
    (view,) = site.queries.job(1).deliveries
    return DeliveryState(view.state), view.reason


class Asked:
    """The request for commitment, read off a connection."""

    def __init__(self, connection: socket.socket) -> None:
        accept_association(connection)
        self.connection = connection
        self.channel = Channel(Wire(connection, 5))
        self.message = self.channel.receive(time.monotonic() + 5)

    def take(self) -> None:
        """Answer that it has been taken."""
        self.channel.send(self.message.context, answer_to(self.message, SUCCESS))

    def half_report(self) -> None:
        """Report that everything is kept, and stop in the middle."""
        transaction, classes = read_request(self.message.dataset, UNCOMPRESSED[0])
        command, ds = report_of(transaction, classes, {})
        asked = encode_command({**command, "MessageID": 1, "CommandDataSetType": 1})
        whole = pdu.data(self.message.context, asked, encode_dataset(ds, UNCOMPRESSED[0]), max_pdu_bytes=16_384)
        self.connection.sendall(whole[: len(whole) // 2])


def say_nothing(connection: socket.socket, over: threading.Event) -> None:
    Asked(connection)
    over.wait()


def stop_inside_the_answer(connection: socket.socket, over: threading.Event) -> None:
    Asked(connection)
    connection.sendall(b"\4\0\0")
    over.wait()


def drip_the_answer(connection: socket.socket, over: threading.Event) -> None:
    Asked(connection)
    connection.sendall(b"\4\0\0\0\xff\xff")
    while not over.wait(0.05):
        connection.sendall(b"\0")


def abort(connection: socket.socket, _over: threading.Event) -> None:
    Asked(connection)
    connection.sendall(pdu.abort())


def release(connection: socket.socket, _over: threading.Event) -> None:
    Asked(connection)
    connection.sendall(pdu.release_request())


def reset_it(connection: socket.socket, _over: threading.Event) -> None:
    Asked(connection)
    reset(connection)


def report_by_half_before_the_answer(connection: socket.socket, over: threading.Event) -> None:
    Asked(connection).half_report()
    over.wait()


UNANSWERED = [
    say_nothing,
    stop_inside_the_answer,
    drip_the_answer,
    abort,
    release,
    reset_it,
    report_by_half_before_the_answer,
]


def say_nothing_more(connection: socket.socket, over: threading.Event) -> None:
    Asked(connection).take()
    over.wait()


def report_by_half(connection: socket.socket, over: threading.Event) -> None:
    asked = Asked(connection)
    asked.take()
    asked.half_report()
    over.wait()


def abort_inside_the_report(connection: socket.socket, _over: threading.Event) -> None:
    asked = Asked(connection)
    asked.take()
    asked.half_report()
    connection.sendall(pdu.abort())


def reset_inside_the_report(connection: socket.socket, over: threading.Event) -> None:
    asked = Asked(connection)
    asked.take()
    asked.half_report()
    over.wait(0.1)  # a reset takes with it what has not been read: the answer is to arrive
    reset(connection)


TAKEN = [say_nothing_more, report_by_half, abort_inside_the_report, reset_inside_the_report]


def ends_in_time(site: Site, manners: Talk) -> None:
    begin = time.monotonic()
    with rude_peer(manners) as port:
        ask(site, port)
        assert time.monotonic() - begin < PATIENCE_S


def committed_in_the_end(site: Site, archive: Archive) -> None:
    with committing(archive) as port:
        ask(site, port)
    assert site.states() == {"a": DeliveryState.COMMITTED}
    assert set(archive.arrived.values()) == {1}, "what was stored is not sent again"


@pytest.mark.parametrize("manners", UNANSWERED)
def test_a_request_without_an_answer_is_made_again(
    manners: Talk, site: Site, archive: Archive, clock: TurnedClock
) -> None:
    ends_in_time(site, manners)
    state, reason = told(site)
    assert state is DeliveryState.WAITING
    assert reason
    clock.turn(1)
    committed_in_the_end(site, archive)


@pytest.mark.parametrize("manners", TAKEN)
def test_a_report_that_does_not_come_whole_is_waited_for_and_then_asked_for_again(
    manners: Talk, site: Site, archive: Archive, clock: TurnedClock
) -> None:
    ends_in_time(site, manners)
    state, reason = told(site)
    assert state is DeliveryState.STORED
    assert "report due" in reason
    clock.turn(DUE_S + 1)
    committed_in_the_end(site, archive)
    assert len(archive.asked) == 2, "each time under another transaction"


@pytest.mark.parametrize(("source", "reason"), REJECTIONS)
@pytest.mark.parametrize("result", [1, 2], ids=["permanent", "transient"])
def test_a_rejection_is_seen_and_one_that_may_pass_is_tried_again(
    result: int, source: int, reason: int, site: Site, archive: Archive, clock: TurnedClock
) -> None:
    ends_in_time(site, rejects(Rejection(result, source, reason)))
    state, said = told(site)
    assert state is (DeliveryState.HELD if result == 1 else DeliveryState.WAITING)
    assert REJECTIONS[source, reason] in said
    if result == 1:
        site.deliveries.act(1, WorkEvent.RELEASE, who="anna")
    clock.turn(1)
    committed_in_the_end(site, archive)
