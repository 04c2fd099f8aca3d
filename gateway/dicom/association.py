"""An association with a PACS: opened, told apart by why it failed, one request and its answer at a time, always closed.

The library's own associations hang in spite of their timeouts and lose answers between their threads (measured with
pynetdicom 3.0.4), and decode what they send. This one has no threads: whoever asks reads the answer, or fails in time.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import NoReturn

from gateway.dicom import negotiation, pdu
from gateway.dicom.command import RESPONSE, Command
from gateway.dicom.messages import Channel, Message
from gateway.dicom.negotiation import Offer
from gateway.dicom.pdu import LARGEST_PDU_BYTES, PduType
from gateway.dicom.tls import client_context
from gateway.dicom.wire import Wire, connect
from gateway.model.destinations import DicomPeer
from gateway.model.errors import PeerRefused, PeerUnreachable

VERIFICATION = "1.2.840.10008.1.1"
"""SOP class of C-ECHO."""

LONGEST_RELEASE_S = 5.0
"""A peer that does not take leave is left."""

PENDING = frozenset({0xFF00, 0xFF01})
"""Statuses of an answer that is not the last one (PS3.4 C.4.1.1.4)."""

_MESSAGE_IDS = (1 << 16) - 1


class Association:
    """An open association; use `open_association`."""

    def __init__(self, wire: Wire, peer: str) -> None:
        self._wire = wire
        self._channel = Channel(wire)
        self._message_id = 0
        self._open = self._idle = False
        self.peer = peer
        self.contexts: Mapping[Offer, int] = {}
        """Context ids of the offers that the peer has accepted."""

    def negotiate(self, *, called: str, calling: str, offers: Sequence[Offer]) -> None:
        """Offer what we want, and learn what the peer takes.

        Raises
        ------
        PeerUnreachable
            It does not answer as a DICOM peer, or is busy.
        PeerRefused
            It does not want us, or nothing of what we offer.
        """
        with self._telling():
            self._wire.write(negotiation.associate_request(called=called, calling=calling, offers=offers))
            kind, content = self._channel.read_pdu(time.monotonic() + self._wire.timeout_s)
            if kind == PduType.ASSOCIATE_RJ:
                self._rejected(content, f"called as {called!r} by {calling!r}")
            if kind != PduType.ASSOCIATE_AC:
                raise ValueError(f"{kind.name} where ASSOCIATE_AC was due")
            answer = negotiation.read_acceptance(content)
        ids = {offer: 2 * number + 1 for number, offer in enumerate(offers)}
        self.contexts = {offer: number for offer, number in ids.items() if number in answer.contexts}
        self._channel.max_pdu_bytes = min(answer.max_pdu_bytes, LARGEST_PDU_BYTES)
        self._open = self._idle = True
        if not self.contexts:
            classes = ", ".join(sorted({offer.sop_class for offer in offers}))
            raise PeerRefused(f"{self.peer} accepts none of the SOP classes offered: {classes}")

    def _rejected(self, content: bytes, names: str) -> NoReturn:
        transient, reason = negotiation.read_rejection(content)
        kind = PeerUnreachable if transient else PeerRefused
        raise kind(f"{self.peer} rejected the association, {names}: {reason}")

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Say in our own words what went wrong on the wire."""
        try:
            yield
        except ssl.SSLError as fault:
            kind = PeerRefused if "ALERT" in str(fault).upper() else PeerUnreachable
            raise kind(f"{self.peer} ended the TLS connection: {fault}") from fault
        except OSError as fault:
            raise PeerUnreachable(f"{self.peer} does not answer: {fault.strerror or fault}") from fault
        except ValueError as fault:
            raise PeerUnreachable(f"{self.peer} does not answer as a DICOM peer: {fault}") from fault

    def ask(self, offer: Offer, command: Command, dataset: bytes = b"") -> Generator[Message, None, None]:
        """Send a request, and return an iterator that waits for its answers; whoever has enough closes it.

        Raises
        ------
        PeerUnreachable
            No answer, or none to this: what the peer has done is unknown, and the association is of no use any more.
        """
        self._message_id = self._message_id % _MESSAGE_IDS + 1
        self.send(self.contexts[offer], {**command, "MessageID": self._message_id}, dataset)
        return self._answers((int(command["CommandField"]) | RESPONSE, self._message_id))

    def _answers(self, asked: tuple[int, int]) -> Generator[Message, None, None]:
        while True:
            answer = self.receive()
            if (answer.command.get("CommandField"), answer.command.get("MessageIDBeingRespondedTo")) != asked:
                raise PeerUnreachable(f"{self.peer} answers something that was not asked")
            self._idle = answer.status not in PENDING
            yield answer

    def ask_once(self, offer: Offer, command: Command, dataset: bytes = b"") -> Message:
        """Send a request that has one answer."""
        return next(self.ask(offer, command, dataset))

    def send(self, context: int, command: Command, dataset: bytes = b"") -> None:
        """Send a message."""
        self._idle = False
        with self._telling():
            self._channel.send(context, command, dataset)

    def receive(self) -> Message:
        """Wait for the next message of the peer, no longer than the timeout."""
        self._idle = False
        with self._telling():
            return self._channel.receive(time.monotonic() + self._wire.timeout_s)

    def wait(self, seconds: float) -> bool:
        """Wait until the peer says something, or hangs up; say whether it does."""
        return self._wire.wait(seconds)

    def rest(self) -> None:
        """Say that nothing is open between the two, so that leave may be taken in an orderly way."""
        self._idle = True

    def close(self) -> None:
        """Release the association, or abort it in the middle of an exchange; hang up in any case."""
        with suppress(OSError, ValueError):
            if self._idle:
                self._wire.write(pdu.release_request())
                self._channel.read_pdu(time.monotonic() + min(LONGEST_RELEASE_S, self._wire.timeout_s))
            elif self._open:
                self._wire.write(pdu.abort())
        self._wire.close()


@contextmanager
def open_association(destination: DicomPeer, offers: Sequence[Offer]) -> Iterator[Association]:
    """Open an association with at least one accepted context, and close it at the end.

    Raises
    ------
    PeerUnreachable
        Nobody answers there, or the peer is busy.
    PeerRefused
        The peer does not want us, or nothing of what we offer.
    """
    peer = describe(destination)
    try:
        tls = client_context(destination.tls) if destination.tls else None
        wire = connect(destination.host, destination.port, timeout_s=destination.timeout_s, tls=tls)
    except ssl.SSLError as fault:
        raise PeerRefused(f"{peer}: no TLS connection: {fault}") from fault
    except OSError as fault:
        raise PeerUnreachable(f"{peer} does not answer: {fault.strerror or fault}") from fault
    association = Association(wire, peer)
    try:
        association.negotiate(called=destination.ae_title, calling=destination.calling_ae_title, offers=offers)
        yield association
    finally:
        association.close()


def describe(destination: DicomPeer) -> str:
    """Name a peer so that a person finds it."""
    return f"{destination.ae_title} at {destination.host}:{destination.port}"
