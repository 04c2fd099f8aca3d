"""The protocol data units of the DICOM upper layer as bytes (PS3.8 9.3); knows nothing of sockets.

Integers are big endian. Whatever does not fit its layout is a ValueError: the peer is not to be trusted any further.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple


class PduType(IntEnum):
    """The first byte."""

    ASSOCIATE_RQ = 1
    ASSOCIATE_AC = 2
    ASSOCIATE_RJ = 3
    DATA = 4
    RELEASE_RQ = 5
    RELEASE_RP = 6
    ABORT = 7


HEAD_BYTES = 6
"""Type, reserved byte, length of the rest."""

OUR_MAX_PDU_BYTES = 16_384
"""What we announce that we take."""

LARGEST_PDU_BYTES = 1 << 20
"""A length beyond this is an attack or a fault."""

_COMMAND, _LAST = 1, 2
_FRAGMENT_HEAD_BYTES = 6


def pdu(kind: PduType, content: bytes) -> bytes:
    """Put a head before the content."""
    return bytes([kind, 0]) + len(content).to_bytes(4, "big") + content


def data(context: int, command: bytes, dataset: bytes, *, max_pdu_bytes: int) -> bytes:
    """Encode a message, which is a command and perhaps a data set, as P-DATA-TF PDUs."""
    pieces = list(_fragments(context, command, max_pdu_bytes, _COMMAND))
    if dataset:
        pieces += _fragments(context, dataset, max_pdu_bytes, 0)
    return b"".join(pieces)


def _fragments(context: int, content: bytes, max_pdu_bytes: int, control: int) -> Iterator[bytes | memoryview]:
    """Yield head and content of each PDU; all but the last are full."""
    step = max(max_pdu_bytes - _FRAGMENT_HEAD_BYTES, 1)
    view = memoryview(content)
    for begin in range(0, len(content), step):
        piece = view[begin : begin + step]
        last = _LAST if begin + step >= len(content) else 0
        yield (
            bytes([PduType.DATA, 0])
            + (len(piece) + _FRAGMENT_HEAD_BYTES).to_bytes(4, "big")
            + (len(piece) + 2).to_bytes(4, "big")
            + bytes([context, control | last])
        )
        yield piece


class Fragment(NamedTuple):
    """A presentation data value: a piece of a command or of a data set."""

    context: int
    is_command: bool
    is_last: bool
    content: bytes


def read_fragments(content: bytes) -> Iterator[Fragment]:
    """Decode a P-DATA-TF without its head.

    Raises
    ------
    ValueError
        Its lengths contradict each other.
    """
    while content:
        length = int.from_bytes(content[:4], "big")
        value = content[4 : 4 + length]
        if length < 2 or len(value) < length:  # noqa: PLR2004 - context id and control
            raise ValueError("a fragment is longer than its PDU")
        yield Fragment(value[0], bool(value[1] & _COMMAND), bool(value[1] & _LAST), value[2:])
        content = content[4 + length :]


def release_request() -> bytes:
    """Encode an A-RELEASE-RQ."""
    return pdu(PduType.RELEASE_RQ, bytes(4))


def release_response() -> bytes:
    """Encode an A-RELEASE-RP."""
    return pdu(PduType.RELEASE_RP, bytes(4))


def abort() -> bytes:
    """Encode an A-ABORT of the service user."""
    return pdu(PduType.ABORT, bytes(4))
