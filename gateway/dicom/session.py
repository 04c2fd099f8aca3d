"""One association that others have opened, from its request to its end; what an operation means is its handler's."""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

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
from gateway.model.refusal import Refusal, Refused, nobody_hears

logger = logging.getLogger(__name__)

UNRECOGNISED_OPERATION = 0x0211


REFUSALS: Mapping[Rejection, Refusal] = MappingProxyType(
    {
        UNKNOWN_CALLED_TITLE: Refusal.CALLED,
        UNKNOWN_CALLING_TITLE: Refusal.CALLING,
        TOO_MANY: Refusal.FULL,
    }
)


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
    refused: Refused = nobody_hears
    """Hears of everybody who is not served."""

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


class Session:
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

    def run(self, host: str, *, full: bool) -> bytes:
        """Serve until the peer ends the association; give what it is still to be told before the connection ends."""
        kind, content = self._channel.read_pdu(time.monotonic() + self._limits.request_s)
        if kind != PduType.ASSOCIATE_RQ:
            raise ValueError(f"{kind.name} where ASSOCIATE_RQ was due")
        request = negotiation.read_request(content)
        rejection = self._gate.rejection(request, host) or (TOO_MANY if full else None)
        if rejection is not None:
            self._reject(rejection, request, host)
            return b""
        self._agree(request)
        try:
            while self._wire.wait(self._limits.idle_s):
                self._answer(self._channel.receive(time.monotonic() + self._limits.message_s))
            raise TimeoutError(f"nothing to do for {self._limits.idle_s:g} s")
        except AssociationEnded as end:
            return pdu.release_response() if end.kind == PduType.RELEASE_RQ else b""
        except (OSError, ValueError):
            with suppress(OSError):
                self._wire.write(pdu.abort())
            raise

    def _reject(self, rejection: Rejection, request: Request, host: str) -> None:
        why = negotiation.REJECTIONS[rejection.source, rejection.reason]
        names = {"peer": host, "calling": request.calling, "called": request.called}
        self._gate.refused(host, REFUSALS[rejection], f"{request.calling} to {request.called}")
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
