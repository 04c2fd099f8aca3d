"""TensorBoard's files, written by hand: a record is a length, a checksum and a small protocol buffer.

TensorBoard itself brings a web server and gRPC; its file format is four messages
(tensorflow/core/util/event.proto, tensorflow/core/framework/summary.proto).
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

VERSION = b"brain.Event:2"
POLYNOMIAL = 0x82F63B78
"""CRC-32C, reflected (RFC 3720, appendix B.4)."""


class EventFile:
    """One file in a folder; each run adds one of its own, and TensorBoard joins them by step."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / f"events.out.tfevents.{time.time_ns() // 1000}.gateway"

    def add(self, step: int, numbers: Mapping[str, float], picture: bytes) -> None:
        """Append numbers and a picture (PNG) of one step."""
        values = [_field(1, name.encode()) + struct.pack("<Bf", 2 << 3 | 5, number) for name, number in numbers.items()]
        width, height = struct.unpack(">II", picture[16:24])
        image = _varint_field(1, height) + _varint_field(2, width) + _varint_field(3, 1) + _field(4, picture)
        values.append(_field(1, b"example") + _field(4, image))
        summary = b"".join(_field(1, value) for value in values)
        with self._path.open("ab") as file:
            if not file.tell():
                file.write(_record(_event(_field(3, VERSION))))
            file.write(_record(_event(_varint_field(2, step) + _field(5, summary))))


def _event(rest: bytes) -> bytes:
    return struct.pack("<Bd", 1 << 3 | 1, time.time()) + rest


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint_field(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    digits = []
    while value > 0x7F:  # noqa: PLR2004 - seven bits to a byte
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*digits, value])


def _record(content: bytes) -> bytes:
    length = struct.pack("<Q", len(content))
    return length + _masked_checksum(length) + content + _masked_checksum(content)


def _masked_checksum(content: bytes) -> bytes:
    crc = checksum(content)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def checksum(content: bytes) -> int:
    """CRC-32C."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def _table() -> Iterator[int]:
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ POLYNOMIAL if crc & 1 else crc >> 1
        yield crc


_TABLE = tuple(_table())
