"""Our own DICOM port: associations that others open, each in a thread of its own, all of them bounded.

Whoever calls is a stranger until address, name and, with TLS, certificate have said otherwise. Nothing waits
longer than its limit; no PDU, no message and no number of connections grows beyond its own. What an operation means is
its handler's business.
"""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple, Self, TypeAlias

from gateway.dicom import negotiation, pdu
from gateway.dicom.command import Command, Field
from gateway.dicom.messages import LARGEST_MESSAGE_BYTES, AssociationEnded, Channel, Message, answer_to
from gateway.dicom.negotiation import (
    TOO_MANY,
    UNKNOWN_CALLED_TITLE,
    UNKNOWN_CALLING_TITLE,
    Proposal,
    Rejection,
    Request,
    Role,
    Verdict,
)
from gateway.dicom.pdu import LARGEST_PDU_BYTES, PduType
from gateway.dicom.syntaxes import UNCOMPRESSED
from gateway.dicom.wire import Wire
from gateway.model.callers import Caller

logger = logging.getLogger(__name__)

BACKLOG = 128
UNRECOGNISED_OPERATION = 0x0211
TELL_EVERY_S = 10.0
"""A flood of strangers makes a line in the log so often, not a line each."""


class Heard(NamedTuple):
    """A request that has come over an association."""

    message: Message
    sop_class: str
    syntax: str
    calling: str


class Answer(NamedTuple):
    """What is answered, and what is then reported of ourselves, command and data set, over the same association."""

    status: int
    report: tuple[Command, bytes] | None = None


Handler: TypeAlias = Callable[[Heard], Answer]
Handlers: TypeAlias = Mapping[tuple[str, int], Handler]
"""By SOP class and operation (`Field`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLimits:
    """How much at a time, and how long each thing may take."""

    associations: int = 8
    associations_per_address: int = 4
    request_s: float = 10
    """From the connection to the whole request for an association, the proof of identities included."""
    message_s: float = 30
    """From the first byte of a message to its last."""
    idle_s: float = 60
    """Between two messages."""
    message_bytes: int = LARGEST_MESSAGE_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What we are called, and who may call."""

    ae_title: str
    callers: Sequence[Caller] | None
    """None for everybody: on the loopback, in demonstration and tests."""
    tls: ssl.SSLContext | None = None

    def knows_address(self, host: str) -> bool:
        """Whether anybody who may call has this address."""
        return self.callers is None or any(caller.calls_from(host) for caller in self.callers)

    def rejection(self, request: Request, host: str) -> Rejection | None:
        """Say why this caller gets no association; None where it gets one."""
        if request.called != self.ae_title:
            return UNKNOWN_CALLED_TITLE
        if self.callers is None:
            return None
        known = any(caller.ae_title == request.calling and caller.calls_from(host) for caller in self.callers)
        return None if known else UNKNOWN_CALLING_TITLE


class _Guest(NamedTuple):
    """A connection that is looked after; where the house is full, only to be told so."""

    host: str
    thread: threading.Thread
    full: bool


class DicomService:
    """Answers while it is entered.

    Raises
    ------
    OSError
        The address is taken.
    """

    def __init__(
        self, address: tuple[str, int], gate: Gate, handlers: Handlers, limits: ServiceLimits | None = None
    ) -> None:
        self._gate = gate
        self._handlers = handlers
        self._limits = limits or ServiceLimits()
        self._guests: dict[socket.socket, _Guest] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._strangers, self._told_at = 0, -TELL_EVERY_S
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._socket = socket.create_server(address, family=family, backlog=BACKLOG)

    def __enter__(self) -> Self:
        """Start to answer."""
        self._thread = threading.Thread(target=self._accept, name="dicom-service")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening and cut all associations off."""
        self._stopping.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()
        for connection, guest in list(self._guests.items()):
            with suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)  # no TLS farewell: nobody listens
            guest.thread.join()

    @property
    def port(self) -> int:
        """Where it listens, also when 0 was asked for."""
        return int(self._socket.getsockname()[1])

    @property
    def sop_classes(self) -> set[str]:
        """What callers may propose."""
        return {sop_class for sop_class, _ in self._handlers}

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, (host, *_) = self._socket.accept()
            except OSError:
                if not self._stopping.wait(0.1):
                    logger.exception("accepting a connection failed")
                continue
            try:
                welcome = self._admits(host) and self._start(self._secured(connection), host)
            except OSError:  # it has gone already
                welcome = False
            if not welcome:
                connection.close()

    def _secured(self, connection: socket.socket) -> socket.socket:
        """Put TLS around a connection, where it is spoken; nothing is said yet."""
        connection.settimeout(self._limits.request_s)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._gate.tls is None:
            return connection
        return self._gate.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)

    def _admits(self, host: str) -> bool:
        """Whether a connection from this address is looked at, at all."""
        if self._gate.knows_address(host):
            return True
        self._strangers += 1
        if time.monotonic() - self._told_at >= TELL_EVERY_S:
            logger.warning("a stranger called", extra={"peer": host, "calls": self._strangers})
            self._strangers, self._told_at = 0, time.monotonic()
        return False

    def _start(self, connection: socket.socket, host: str) -> bool:
        """Give a connection a thread: as many as may be to be served, and as many again to be told to come later."""
        limits = self._limits
        with self._lock:
            for full in (False, True):
                of_all = [guest.host for guest in self._guests.values() if guest.full is full]
                if len(of_all) < limits.associations and of_all.count(host) < limits.associations_per_address:
                    break
            else:
                return False
            thread = threading.Thread(target=self._serve, args=(connection,), name=f"dicom-{host}", daemon=True)
            self._guests[connection] = _Guest(host, thread, full)
        thread.start()
        return True

    def _serve(self, connection: socket.socket) -> None:
        guest, wire = self._guests[connection], Wire(connection, self._limits.message_s)
        try:
            if isinstance(connection, ssl.SSLSocket):
                connection.do_handshake()
            _Session(wire, self._gate, self._handlers, self._limits).run(guest.host, full=guest.full)
        except (OSError, ValueError) as fault:
            logger.info("association ended", extra={"peer": guest.host, "reason": str(fault) or type(fault).__name__})
        except Exception:  # the end of a long-running loop: one bad caller must not stop the others
            logger.exception("association ended by a fault of ours", extra={"peer": guest.host})
        finally:
            wire.close()
            with self._lock:
                del self._guests[connection]


class _Session:
    """One association, from its request to its end."""

    def __init__(self, wire: Wire, gate: Gate, handlers: Handlers, limits: ServiceLimits) -> None:
        self._wire = wire
        self._gate = gate
        self._handlers = handlers
        self._limits = limits
        self._channel = Channel(wire, largest_message_bytes=limits.message_bytes)
        self._classes = {sop_class for sop_class, _ in handlers}
        self._contexts: dict[int, tuple[str, str]] = {}
        self._calling = ""
        self._n_reports = 0

    def run(self, host: str, *, full: bool) -> None:
        """Serve until the peer ends the association."""
        kind, content = self._channel.read_pdu(time.monotonic() + self._limits.request_s)
        if kind != PduType.ASSOCIATE_RQ:
            raise ValueError(f"{kind.name} where ASSOCIATE_RQ was due")
        request = negotiation.read_request(content)
        rejection = self._gate.rejection(request, host) or (TOO_MANY if full else None)
        if rejection is not None:
            self._reject(rejection, request, host)
            return
        self._agree(request)
        try:
            while self._wire.wait(self._limits.idle_s):
                self._answer(self._channel.receive(time.monotonic() + self._limits.message_s))
            raise TimeoutError(f"nothing to do for {self._limits.idle_s:g} s")
        except AssociationEnded as end:
            if end.kind == PduType.RELEASE_RQ:
                self._wire.write(pdu.release_response())
        except (OSError, ValueError):
            with suppress(OSError):
                self._wire.write(pdu.abort())
            raise

    def _reject(self, rejection: Rejection, request: Request, host: str) -> None:
        why = negotiation.REJECTIONS[rejection.source, rejection.reason]
        names = {"peer": host, "calling": request.calling, "called": request.called}
        logger.warning("association rejected", extra={**names, "reason": why.partition(":")[0]})
        self._wire.write(negotiation.associate_reject(rejection))
        self._wire.wait(1)  # the caller hangs up when it has read this; to close first could take it away

    def _agree(self, request: Request) -> None:
        verdicts = {proposal.context: self._verdict(proposal) for proposal in request.proposals}
        self._contexts = {
            proposal.context: (proposal.sop_class, verdicts[proposal.context][1])
            for proposal in request.proposals
            if verdicts[proposal.context][0] is Verdict.ACCEPTED
        }
        roles = {
            sop_class: Role(user=asked.user, provider=asked.provider and self._reports(sop_class))
            for sop_class, asked in request.roles.items()
            if sop_class in self._classes
        }
        self._calling = request.calling
        self._channel.max_pdu_bytes = min(request.max_pdu_bytes, LARGEST_PDU_BYTES)
        self._wire.write(negotiation.associate_accept(request, verdicts=verdicts, roles=roles))

    def _verdict(self, proposal: Proposal) -> tuple[Verdict, str]:
        """Take the first transfer syntax of ours that the caller proposes."""
        if proposal.sop_class not in self._classes:
            return Verdict.NO_SUCH_CLASS, proposal.syntaxes[0]
        common = [syntax for syntax in UNCOMPRESSED if syntax in proposal.syntaxes]
        return (Verdict.ACCEPTED, common[0]) if common else (Verdict.NO_SUCH_SYNTAX, proposal.syntaxes[0])

    def _reports(self, sop_class: str) -> bool:
        """Whether it is the caller who provides the service, and reports to us."""
        return (sop_class, Field.N_EVENT_REPORT) in self._handlers

    def _answer(self, message: Message) -> None:
        """Do what is asked; an answer to a report of ours asks nothing."""
        if message.context not in self._contexts:
            raise ValueError("a message in a presentation context that was not accepted")
        if not message.is_request:
            return
        sop_class, syntax = self._contexts[message.context]
        handle = self._handlers.get((sop_class, message.field), _unrecognised)
        answer = handle(Heard(message, sop_class, syntax, self._calling))
        self._channel.send(message.context, answer_to(message, answer.status))
        if answer.report is not None:
            command, dataset = answer.report
            self._n_reports += 1
            self._channel.send(message.context, {**command, "MessageID": self._n_reports}, dataset)


def _unrecognised(_heard: Heard) -> Answer:
    return Answer(UNRECOGNISED_OPERATION)


def answer_echo(_heard: Heard) -> Answer:
    """Say that we are here (C-ECHO, PS3.4 Annex A)."""
    return Answer(0x0000)
