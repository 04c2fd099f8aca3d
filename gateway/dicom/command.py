"""Command sets of DIMSE messages as bytes (PS3.7 6.3.1, Annex E): Implicit VR Little Endian, group 0000 alone."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import TypeAlias

Command: TypeAlias = Mapping[str, int | str]
"""Values by DICOM keyword."""


class Field(IntEnum):
    """Command Field: what is asked; a response has the highest bit set."""

    C_STORE = 0x0001
    C_FIND = 0x0020
    C_ECHO = 0x0030
    N_EVENT_REPORT = 0x0100
    N_ACTION = 0x0130


RESPONSE = 0x8000

NO_DATASET, DATASET = 0x0101, 0x0001
"""Command Data Set Type."""

NUMBERS: Mapping[str, int] = MappingProxyType(
    {
        "CommandField": 0x0100,
        "MessageID": 0x0110,
        "MessageIDBeingRespondedTo": 0x0120,
        "Priority": 0x0700,
        "CommandDataSetType": 0x0800,
        "Status": 0x0900,
        "EventTypeID": 0x1002,
        "ActionTypeID": 0x1008,
    }
)
"""Elements of VR US."""

UIDS: Mapping[str, int] = MappingProxyType(
    {
        "AffectedSOPClassUID": 0x0002,
        "RequestedSOPClassUID": 0x0003,
        "AffectedSOPInstanceUID": 0x1000,
        "RequestedSOPInstanceUID": 0x1001,
    }
)

_ELEMENTS = {element: keyword for keyword, element in (*NUMBERS.items(), *UIDS.items())}


def encode_command(command: Command) -> bytes:
    """Encode a command set with its group length."""
    elements = b"".join(
        _element(element, _value(command[keyword]))
        for element, keyword in sorted(_ELEMENTS.items())
        if keyword in command
    )
    return _element(0x0000, len(elements).to_bytes(4, "little")) + elements


def _element(element: int, value: bytes) -> bytes:
    return bytes(2) + element.to_bytes(2, "little") + len(value).to_bytes(4, "little") + value


def _value(value: int | str) -> bytes:
    if isinstance(value, int):
        return value.to_bytes(2, "little")
    return value.encode() + b"\0" * (len(value) % 2)


def decode_command(content: bytes) -> dict[str, int | str]:
    """Decode a command set; elements that we do not use are passed over.

    Raises
    ------
    ValueError
        It is none.
    """
    command: dict[str, int | str] = {}
    while content:
        group, element = int.from_bytes(content[:2], "little"), int.from_bytes(content[2:4], "little")
        length = int.from_bytes(content[4:8], "little")
        value = content[8 : 8 + length]
        if group or len(content) < 8 + length:
            raise ValueError("not a command set")
        keyword = _ELEMENTS.get(element, "")
        if keyword in NUMBERS:
            command[keyword] = int.from_bytes(value[:2], "little")
        elif keyword:
            command[keyword] = value.rstrip(b"\0 ").decode("ascii", "replace")
        content = content[8 + length :]
    return command
