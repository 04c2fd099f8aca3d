"""How an association begins: asked for, accepted or rejected, as bytes (PS3.8 9.3.2-9.3.4); knows nothing of sockets.

Integers are big endian. Whatever does not fit its layout is a ValueError: the peer is not to be trusted any further.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import NamedTuple

from gateway import __version__
from gateway.dicom.pdu import OUR_MAX_PDU_BYTES, PduType, pdu
from gateway.model.ids import IMPLEMENTATION_CLASS_UID

IMPLEMENTATION_VERSION_NAME = f"MRGW_{__version__}"[:16]


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
    ROLE_SELECTION = 0x54
    IMPLEMENTATION_VERSION_NAME = 0x55


_APPLICATION_CONTEXT = b"1.2.840.10008.3.1.1.1"
_FIXED_BYTES = 68
_TITLE_BYTES = 16
_UNLIMITED_BYTES = 1 << 20
"""Size of our PDUs where the peer sets no limit."""


class Offer(NamedTuple):
    """A SOP class in a transfer syntax: one presentation context, so that acceptance is known for each."""

    sop_class: str
    syntax: str


class Verdict(IntEnum):
    """What becomes of a proposed presentation context (PS3.8 table 9-18)."""

    ACCEPTED = 0
    NO_SUCH_CLASS = 3
    NO_SUCH_SYNTAX = 4


class Role(NamedTuple):
    """What whoever asks for the association wants to be in a SOP class (PS3.7 D.3.3.4): user, provider, or both."""

    user: bool
    provider: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A presentation context that a caller proposes."""

    context: int
    sop_class: str
    syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What an A-ASSOCIATE-RQ says.

    Parameters
    ----------
    max_pdu_bytes
        The longest PDU the caller takes, without its head.
    """

    called: str
    calling: str
    proposals: tuple[Proposal, ...]
    roles: Mapping[str, Role]
    max_pdu_bytes: int


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
    fixed = (1).to_bytes(2, "big") + bytes(2) + _title(called) + _title(calling) + bytes(32)
    application = _item(_Item.APPLICATION_CONTEXT, _APPLICATION_CONTEXT)
    return pdu(PduType.ASSOCIATE_RQ, fixed + application + contexts + _user_information(b""))


def read_request(content: bytes) -> Request:
    """Decode an A-ASSOCIATE-RQ without its head.

    Raises
    ------
    ValueError
        It is none.
    """
    if len(content) < _FIXED_BYTES or not content[1] & 1:
        raise ValueError("not a request for an association of version 1")
    proposals, roles, max_pdu_bytes = [], {}, 0
    for kind, value in _items(content[_FIXED_BYTES:]):
        if kind == _Item.APPLICATION_CONTEXT and value.rstrip(b"\0") != _APPLICATION_CONTEXT:
            raise ValueError("another application context than that of DICOM")
        if kind == _Item.CONTEXT_RQ:
            proposals.append(_proposal(value))
        if kind == _Item.USER_INFORMATION:
            roles = dict(_role(item) for number, item in _items(value) if number == _Item.ROLE_SELECTION)
            max_pdu_bytes = _max_pdu_bytes(value)
    return Request(
        called=_read_text(content[4:20]),
        calling=_read_text(content[20:36]),
        proposals=tuple(proposals),
        roles=MappingProxyType(roles),
        max_pdu_bytes=max_pdu_bytes,
    )


def _proposal(value: bytes) -> Proposal:
    items = list(_items(value[4:]))
    classes = [_read_text(item) for kind, item in items if kind == _Item.ABSTRACT_SYNTAX]
    syntaxes = tuple(_read_text(item) for kind, item in items if kind == _Item.TRANSFER_SYNTAX)
    if len(classes) != 1 or not syntaxes:
        raise ValueError("a presentation context without one abstract syntax and a transfer syntax")
    return Proposal(context=value[0], sop_class=classes[0], syntaxes=syntaxes)


def _role(value: bytes) -> tuple[str, Role]:
    length = int.from_bytes(value[:2], "big")
    if len(value) < length + 4:
        raise ValueError("a role selection of the wrong length")
    return _read_text(value[2 : 2 + length]), Role(value[2 + length] == 1, value[3 + length] == 1)


def associate_accept(
    request: Request, *, verdicts: Mapping[int, tuple[Verdict, str]], roles: Mapping[str, Role]
) -> bytes:
    """Encode an A-ASSOCIATE-AC.

    Parameters
    ----------
    verdicts
        For each context id that was proposed; the transfer syntax means something only where it is accepted.
    roles
        What the caller may be, of the SOP classes for which it has asked.
    """
    contexts = b"".join(
        _item(_Item.CONTEXT_AC, bytes([number, 0, verdict, 0]) + _item(_Item.TRANSFER_SYNTAX, syntax.encode()))
        for number, (verdict, syntax) in verdicts.items()
    )
    granted = b"".join(
        _item(
            _Item.ROLE_SELECTION,
            len(sop_class).to_bytes(2, "big") + sop_class.encode() + bytes([role.user, role.provider]),
        )
        for sop_class, role in roles.items()
    )
    fixed = (1).to_bytes(2, "big") + bytes(2) + _title(request.called) + _title(request.calling) + bytes(32)
    application = _item(_Item.APPLICATION_CONTEXT, _APPLICATION_CONTEXT)
    return pdu(PduType.ASSOCIATE_AC, fixed + application + contexts + _user_information(granted))


def read_acceptance(content: bytes) -> Acceptance:
    """Decode an A-ASSOCIATE-AC without its head.

    Raises
    ------
    ValueError
        It is none.
    """
    contexts = set()
    max_pdu_bytes = _UNLIMITED_BYTES
    for kind, value in _items(content[_FIXED_BYTES:]):
        if kind == _Item.CONTEXT_AC and value[2:3] == b"\0":
            contexts.add(value[0])
        if kind == _Item.USER_INFORMATION:
            max_pdu_bytes = _max_pdu_bytes(value)
    return Acceptance(contexts=frozenset(contexts), max_pdu_bytes=max_pdu_bytes)


class Rejection(NamedTuple):
    """Why there is no association (PS3.8 table 9-21)."""

    result: int
    source: int
    reason: int


_PERMANENT, _TRANSIENT = 1, 2

UNKNOWN_CALLING_TITLE = Rejection(_PERMANENT, 1, 3)
UNKNOWN_CALLED_TITLE = Rejection(_PERMANENT, 1, 7)
TOO_MANY = Rejection(_TRANSIENT, 3, 2)

REJECTIONS: Mapping[tuple[int, int], str] = MappingProxyType(
    {
        (1, 1): "no reason given",
        (1, 2): "application context name not supported",
        (1, 3): "calling AE title not recognised: the PACS does not know us",
        (1, 7): "called AE title not recognised: the PACS has another name",
        (2, 1): "no reason given",
        (2, 2): "protocol version not supported",
        (3, 1): "temporary congestion",
        (3, 2): "local limit exceeded",
    }
)
"""Source and reason of an A-ASSOCIATE-RJ."""


def associate_reject(rejection: Rejection) -> bytes:
    """Encode an A-ASSOCIATE-RJ."""
    return pdu(PduType.ASSOCIATE_RJ, bytes([0, *rejection]))


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


def _user_information(more: bytes) -> bytes:
    """Say who we are, what we take, and what else there is to say."""
    limit = _item(_Item.MAXIMUM_LENGTH, OUR_MAX_PDU_BYTES.to_bytes(4, "big"))
    uid = _item(_Item.IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_CLASS_UID.encode())
    version = _item(_Item.IMPLEMENTATION_VERSION_NAME, IMPLEMENTATION_VERSION_NAME.encode())
    return _item(_Item.USER_INFORMATION, limit + uid + more + version)


def _max_pdu_bytes(user_information: bytes) -> int:
    limit = dict(_items(user_information)).get(_Item.MAXIMUM_LENGTH, b"")
    return int.from_bytes(limit, "big") or _UNLIMITED_BYTES


def _title(title: str) -> bytes:
    return title.encode("ascii", "replace").ljust(_TITLE_BYTES)


def _read_text(value: bytes) -> str:
    return value.decode("ascii", "replace").strip(" \0")


def _item(kind: _Item, content: bytes) -> bytes:
    return bytes([kind, 0]) + len(content).to_bytes(2, "big") + content


def _items(content: bytes) -> Iterator[tuple[int, bytes]]:
    while content:
        length = int.from_bytes(content[2:4], "big")
        if len(content) < 4 + length:
            raise ValueError("an item is longer than its PDU")
        yield content[0], content[4 : 4 + length]
        content = content[4 + length :]
