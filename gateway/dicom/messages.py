"""Messages over a connection, in both directions (PS3.8 9.3.5, PS3.7 6.3); who has called whom is not known here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.dicom import pdu
from gateway.dicom.command import DATASET, NO_DATASET, RESPONSE, Command, decode_command, encode_command
from gateway.dicom.pdu import HEAD_BYTES, LARGEST_PDU_BYTES, PduType
from gateway.dicom.wire import Wire

LARGEST_MESSAGE_BYTES = 1 << 22
"""No answer to a question of ours is longer, and nothing that we are told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A command and the data set that came with it, as bytes."""

    context: int
    command: Command
    dataset: bytes

    @property
    def status(self) -> int:
        """Its Status; 0x0110, processing failure, where an answer has none."""
        return int(self.command.get("Status", 0x0110))

    @property
    def field(self) -> int:
        """Its Command Field; 0, which is none, where it has none."""
        return int(self.command.get("CommandField", 0))

    @property
    def is_request(self) -> bool:
        """Whether it wants an answer."""
        return not self.field & RESPONSE


def answer_to(request: Message, status: int, **more: int | str) -> Command:
    """Make the command of an answer that carries no data set (PS3.7 9.3, 10.3)."""
    asked = request.command
    names = {
        answer: asked[question]
        for question, answer in (
            ("RequestedSOPClassUID", "AffectedSOPClassUID"),
            ("RequestedSOPInstanceUID", "AffectedSOPInstanceUID"),
            ("AffectedSOPClassUID", "AffectedSOPClassUID"),
            ("AffectedSOPInstanceUID", "AffectedSOPInstanceUID"),
            ("EventTypeID", "EventTypeID"),
            ("ActionTypeID", "ActionTypeID"),
        )
        if question in asked
    }
    return {
        **names,
        "CommandField": request.field | RESPONSE,
        "MessageIDBeingRespondedTo": int(asked.get("MessageID", 0)),
        "CommandDataSetType": NO_DATASET,
        "Status": status,
        **more,
    }


class AssociationEnded(ConnectionResetError):
    """The peer has taken leave, or broken off."""

    def __init__(self, kind: PduType) -> None:
        super().__init__("the peer ended the association")
        self.kind = kind


class Channel:
    """An established association as a way for messages; opening and closing it is its owner's."""

    def __init__(self, wire: Wire, *, largest_message_bytes: int = LARGEST_MESSAGE_BYTES) -> None:
        self.wire = wire
        self._largest_message_bytes = largest_message_bytes
        self.max_pdu_bytes = pdu.OUR_MAX_PDU_BYTES
        """What the peer takes."""

    def send(self, context: int, command: Command, dataset: bytes = b"") -> None:
        """Send a message."""
        whole = {**command, "CommandDataSetType": DATASET if dataset else NO_DATASET}
        self.wire.write(pdu.data(context, encode_command(whole), dataset, max_pdu_bytes=self.max_pdu_bytes))

    def receive(self, deadline: float) -> Message:
        """Wait for the next message.

        Raises
        ------
        AssociationEnded
            There is none, and none will come.
        OSError
            It did not come in time.
        ValueError
            It is none.
        """
        command, dataset = bytearray(), bytearray()
        read_command: Command | None = None
        for fragment in self._fragments(deadline):
            (command if fragment.is_command else dataset).extend(fragment.content)
            if len(command) + len(dataset) > self._largest_message_bytes:
                raise ValueError("an endless message")
            if fragment.is_command and fragment.is_last:
                read_command = decode_command(bytes(command))
            complete = read_command is not None and (
                read_command.get("CommandDataSetType") == NO_DATASET or (not fragment.is_command and fragment.is_last)
            )
            if read_command is not None and complete:
                return Message(context=fragment.context, command=read_command, dataset=bytes(dataset))
        raise AssertionError("fragments end by an exception")

    def _fragments(self, deadline: float) -> Iterator[pdu.Fragment]:
        while True:
            kind, content = self.read_pdu(deadline)
            if kind != PduType.DATA:
                raise AssociationEnded(kind)
            yield from pdu.read_fragments(content)

    def read_pdu(self, deadline: float) -> tuple[PduType, bytes]:
        """Read one PDU: its type, and what follows its head."""
        head = self.wire.read(HEAD_BYTES, deadline)
        length = int.from_bytes(head[2:], "big")
        if length > LARGEST_PDU_BYTES:
            raise ValueError(f"a PDU of {length} bytes")
        return PduType(head[0]), self.wire.read(length, deadline)
