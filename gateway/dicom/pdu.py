"""The messages of the DICOM upper layer as bytes (PS3.8 9.3); knows nothing of sockets.

Integers are big endian. Whatever does not fit its layout is a ValueError: the peer is not to be trusted any further.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from gateway import __version__
from gateway.model.ids import IMPLEMENTATION_CLASS_UID

IMPLEMENTATION_VERSION_NAME = f"MRGW_{__version__}"[:16]


class PduType(IntEnum):
    """The first byte."""

    ASSOCIATE_RQ = 1
    ASSOCIATE_AC = 2
    ASSOCIATE_RJ = 3
    DATA = 4
    RELEASE_RQ = 5
    RELEASE_RP = 6
    ABORT = 7


class _Item(IntEnum):
    """The first byte of what is inside."""

    APPLICATION_CONTEXT = 0x10
    CONTEXT_RQ = 0x20
    CONTEXT_AC = 0x21
    ABSTRACT_SYNTAX = 0x30
    TRANSFER_SYNTAX = 0x40
    USER_INFORMATION = 0x50
    MAXIMUM_LENGTH = 0x51
    IMPLEMENTATION_CLASS_UID = 0x52
    IMPLEMENTATION_VERSION_NAME = 0x55


HEAD_BYTES = 6
"""Type, reserved byte, length of the rest."""

OUR_MAX_PDU_BYTES = 16_384
"""What we announce that we take."""

_APPLICATION_CONTEXT = b"1.2.840.10008.3.1.1.1"
_FIXED_BYTES = 68
_COMMAND, _LAST = 1, 2
_FRAGMENT_HEAD_BYTES = 6
_UNLIMITED_BYTES = 1 << 20
"""Size of our PDUs where the peer sets no limit."""


class Offer(NamedTuple):
    """A SOP class in a transfer syntax: one presentation context, so that acceptance is known for each."""

    sop_class: str
    syntax: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """What an A-ASSOCIATE-AC says.

    Parameters
    ----------
    contexts
        Ids of the presentation contexts that were accepted.
    max_pdu_bytes
        The longest PDU the peer takes, without its head.
    """

    contexts: frozenset[int]
    max_pdu_bytes: int


def associate_request(*, called: str, calling: str, offers: Sequence[Offer]) -> bytes:
    """Encode an A-ASSOCIATE-RQ; the n-th offer, counted from 0, has the context id 2n + 1."""
    contexts = b"".join(
        _item(
            _Item.CONTEXT_RQ,
            bytes([2 * number + 1, 0, 0, 0])
            + _item(_Item.ABSTRACT_SYNTAX, offer.sop_class.encode())
            + _item(_Item.TRANSFER_SYNTAX, offer.syntax.encode()),
        )
        for number, offer in enumerate(offers)
    )
    user = (
        _item(_Item.MAXIMUM_LENGTH, OUR_MAX_PDU_BYTES.to_bytes(4, "big"))
        + _item(_Item.IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_CLASS_UID.encode())
        + _item(_Item.IMPLEMENTATION_VERSION_NAME, IMPLEMENTATION_VERSION_NAME.encode())
    )
    titles = b"".join(title.encode("ascii", "replace").ljust(16) for title in (called, calling))
    fixed = (1).to_bytes(2, "big") + bytes(2) + titles + bytes(32)
    application = _item(_Item.APPLICATION_CONTEXT, _APPLICATION_CONTEXT)
    return _pdu(PduType.ASSOCIATE_RQ, fixed + application + contexts + _item(_Item.USER_INFORMATION, user))


def read_acceptance(content: bytes) -> Acceptance:
    """Decode an A-ASSOCIATE-AC without its head.

    Raises
    ------
    ValueError
        It is none.
    """
    contexts = set()
    max_pdu_bytes = 0
    for kind, value in _items(content[_FIXED_BYTES:]):
        if kind == _Item.CONTEXT_AC and value[2:3] == b"\0":
            contexts.add(value[0])
        if kind == _Item.USER_INFORMATION:
            limits = dict(_items(value)).get(_Item.MAXIMUM_LENGTH, b"")
            max_pdu_bytes = int.from_bytes(limits, "big")
    return Acceptance(contexts=frozenset(contexts), max_pdu_bytes=max_pdu_bytes or _UNLIMITED_BYTES)


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
    return _pdu(PduType.RELEASE_RQ, bytes(4))


def release_response() -> bytes:
    """Encode an A-RELEASE-RP."""
    return _pdu(PduType.RELEASE_RP, bytes(4))


def abort() -> bytes:
    """Encode an A-ABORT of the service user."""
    return _pdu(PduType.ABORT, bytes(4))


def _pdu(kind: PduType, content: bytes) -> bytes:
    return bytes([kind, 0]) + len(content).to_bytes(4, "big") + content


def _item(kind: _Item, content: bytes) -> bytes:
    return bytes([kind, 0]) + len(content).to_bytes(2, "big") + content


def _items(content: bytes) -> Iterator[tuple[int, bytes]]:
    while content:
        length = int.from_bytes(content[2:4], "big")
        if len(content) < 4 + length:
            raise ValueError("an item is longer than its PDU")
        yield content[0], content[4 : 4 + length]
        content = content[4 + length :]


REJECTIONS: Mapping[tuple[int, int], str] = {
    (1, 1): "no reason given",
    (1, 2): "application context name not supported",
    (1, 3): "calling AE title not recognised: the PACS does not know us",
    (1, 7): "called AE title not recognised: the PACS has another name",
    (2, 1): "no reason given",
    (2, 2): "protocol version not supported",
    (3, 1): "temporary congestion",
    (3, 2): "local limit exceeded",
}
"""Source and reason of an A-ASSOCIATE-RJ (PS3.8 table 9-21)."""

_TRANSIENT = 2


def read_rejection(content: bytes) -> tuple[bool, str]:
    """Decode an A-ASSOCIATE-RJ without its head: whether it may pass, and why.

    Raises
    ------
    ValueError
        It is none.
    """
    if len(content) != 4:  # noqa: PLR2004 - reserved, result, source, reason
        raise ValueError("a rejection of the wrong length")
    _, result, source, reason = content
    return result == _TRANSIENT, REJECTIONS.get((source, reason), "unknown reason")
