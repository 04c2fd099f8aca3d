"""Messages as bytes: what we and our clients write on the wire."""

from __future__ import annotations

import struct

from gateway.model.errors import WrongCall
from gateway.mrd.framing import CONFIG_FILE_BYTES, Bytes, MessageId


def _text(message_id: MessageId, text: Bytes) -> bytes:
    return struct.pack("<HI", message_id, len(text)) + bytes(text)


def config_file(name: str) -> bytes:
    """Message 1: the name of a configuration, NUL-padded to 1024 bytes."""
    encoded = name.encode()
    if len(encoded) >= CONFIG_FILE_BYTES or b"\0" in encoded:
        msg = f"a recipe name has at most {CONFIG_FILE_BYTES - 1} bytes and no NUL"
        raise WrongCall(msg)
    return struct.pack("<H", MessageId.CONFIG_FILE) + encoded.ljust(CONFIG_FILE_BYTES, b"\0")


def header(xml: Bytes) -> bytes:
    """Message 3: the XML header."""
    return _text(MessageId.HEADER, xml)


def waveform(body: Bytes) -> bytes:
    """Message 1026: a waveform, its header and its samples."""
    return struct.pack("<H", MessageId.WAVEFORM) + bytes(body)


def text(line: str) -> bytes:
    """Message 5: a sentence for the other side."""
    return _text(MessageId.TEXT, line.encode())


def response(correlation: int, answer: str) -> bytes:
    """Message 7: the answer to a query."""
    encoded = answer.encode()
    return struct.pack("<HQQ", MessageId.RESPONSE, correlation, len(encoded)) + encoded


def close() -> bytes:
    """Message 4: nothing follows; from us, also: all of it is stored."""
    return struct.pack("<H", MessageId.CLOSE)


def decode_text(body: Bytes) -> str:
    """Read a string off the wire: with or without the NUL that some clients count; what is not UTF-8 is replaced."""
    return bytes(body).split(b"\0", 1)[0].decode("utf-8", "replace")
