"""How long is an MRD message? One table of message kinds, and the limits that are checked before memory is taken.

An MRD stream has no overall message length: a message is a ``u16`` id and a body that only its kind explains,
everything little-endian and unaligned. Whoever meets an unknown id has lost the stream.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType

from gateway.model.readout import ACQUISITION_HEADER, Flag, mask

Bytes = bytes | bytearray | memoryview


class MessageId(IntEnum):
    """Message ids of the MRD session protocol, version 1."""

    CONFIG_FILE = 1
    CONFIG_TEXT = 2
    HEADER = 3
    CLOSE = 4
    TEXT = 5
    QUERY = 6
    RESPONSE = 7
    ACQUISITION = 1008
    IMAGE = 1022
    WAVEFORM = 1026
    NDARRAY = 1030


MRD_V2_MAGIC = int.from_bytes(b"ya", "little")
"""First two bytes of an MRD version 2 stream ("yardl..."), read as a message id."""

CONFIG_FILE_BYTES = 1024
IMAGE_HEADER_BYTES = 198
WAVEFORM_HEADER_BYTES = 40

IMAGE_ITEM_BYTES = {1: 2, 2: 2, 3: 4, 4: 4, 5: 4, 6: 8, 7: 8, 8: 16}
"""Bytes of a pixel by ``ImageHeader.data_type``; NDARRAY uses the same numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a message may ask for."""

    header_bytes: int = 1 << 20
    text_bytes: int = 64 << 10
    acquisition_bytes: int = 64 << 20
    waveform_bytes: int = 16 << 20
    image_bytes: int = 1 << 30
    attribute_bytes: int = 1 << 20
    channels: int = 1024
    trajectory_dimensions: int = 8
    array_dimensions: int = 16


class FramingError(Exception):
    """The message cannot be measured, or is larger than allowed; the stream ends here."""


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes of a message after its id: the head that says how long it is, and the body."""

    head: int
    body: int


@dataclass(frozen=True, slots=True)
class Kind:
    """How to measure one kind of message.

    ``measure`` gets the first ``head`` bytes after the id. Where it returns a larger head, it wants to be asked again
    with that many bytes.
    """

    head: int
    measure: Callable[[Bytes, Limits], Size]
    kept: bool = False
    """Whether the session wants to read the body; samples and pixels only pass through."""


_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")
_QUERY = struct.Struct("<QQQ")
_RESPONSE = struct.Struct("<QQ")
_ARRAY = struct.Struct("<HHH")
_IMAGE = struct.Struct("<2xH12x3H12xH")
_WAVEFORM = struct.Struct("<28xHH")


def _acquisition_struct() -> struct.Struct:
    """Pick flags, samples, active channels and trajectory dimensions out of the 340 bytes."""
    fields = [("flags", "Q"), ("number_of_samples", "H"), ("active_channels", "H"), ("trajectory_dimensions", "H")]
    layout, end = "<", 0
    for name, code in fields:
        dtype, offset = ACQUISITION_HEADER.fields[name][:2]  # type: ignore[index]
        layout += f"{offset - end}x{code}"
        end = offset + dtype.itemsize
    return struct.Struct(layout)


_ACQUISITION = _acquisition_struct()
_COMPRESSED = int(mask(Flag.COMPRESSION1, Flag.COMPRESSION2))


def _at_most(what: str, n: int, limit: int) -> int:
    if n > limit:
        msg = f"{what} of {n} bytes is over the limit of {limit}"
        raise FramingError(msg)
    return n


def _text(what: str, limit: Callable[[Limits], int]) -> Callable[[Bytes, Limits], Size]:
    def measure(head: Bytes, limits: Limits) -> Size:
        return Size(4, _at_most(what, _U32.unpack_from(head)[0], limit(limits)))

    return measure


def _acquisition(head: Bytes, limits: Limits) -> Size:
    flags, samples, channels, dimensions = _ACQUISITION.unpack_from(head)
    if flags & _COMPRESSED:
        msg = "acquisition is compressed (flag 53 or 54); switch compression off in the exporter"
        raise FramingError(msg)
    if channels > limits.channels:
        msg = f"acquisition of {channels} channels is over the limit of {limits.channels}"
        raise FramingError(msg)
    if dimensions > limits.trajectory_dimensions:
        msg = f"trajectory of {dimensions} dimensions is over the limit of {limits.trajectory_dimensions}"
        raise FramingError(msg)
    n = 4 * samples * dimensions + 8 * samples * channels
    return Size(ACQUISITION_HEADER.itemsize, _at_most("acquisition", n, limits.acquisition_bytes))


def _waveform(head: Bytes, limits: Limits) -> Size:
    samples, channels = _WAVEFORM.unpack_from(head)
    return Size(WAVEFORM_HEADER_BYTES, _at_most("waveform", 4 * samples * channels, limits.waveform_bytes))


def _item_bytes(data_type: int) -> int:
    try:
        return IMAGE_ITEM_BYTES[data_type]
    except KeyError:
        msg = f"data type {data_type} does not exist"
        raise FramingError(msg) from None


def _image(head: Bytes, limits: Limits) -> Size:
    data_type, *matrix, channels = _IMAGE.unpack_from(head)
    n = math.prod(matrix) * channels * _item_bytes(data_type)
    attributes = _U64.unpack_from(head, IMAGE_HEADER_BYTES)[0]
    body = _at_most("image", n, limits.image_bytes) + _at_most("image attributes", attributes, limits.attribute_bytes)
    return Size(IMAGE_HEADER_BYTES + 8, body)


def _array(head: Bytes, limits: Limits) -> Size:
    data_type, _version, n_dimensions = _ARRAY.unpack_from(head)
    if n_dimensions > limits.array_dimensions:
        msg = f"array of {n_dimensions} dimensions is over the limit of {limits.array_dimensions}"
        raise FramingError(msg)
    whole = _ARRAY.size + 8 * n_dimensions
    if len(head) < whole:
        return Size(whole, 0)
    shape = struct.unpack_from(f"<{n_dimensions}Q", head, _ARRAY.size)
    return Size(whole, _at_most("array", math.prod(shape) * _item_bytes(data_type), limits.image_bytes))


def _query(head: Bytes, limits: Limits) -> Size:
    return Size(_QUERY.size, _at_most("query", _QUERY.unpack_from(head)[2], limits.text_bytes))


def _response(head: Bytes, limits: Limits) -> Size:
    return Size(_RESPONSE.size, _at_most("response", _RESPONSE.unpack_from(head)[1], limits.text_bytes))


KINDS: Mapping[int, Kind] = MappingProxyType(
    {
        MessageId.CONFIG_FILE: Kind(0, lambda _head, _limits: Size(0, CONFIG_FILE_BYTES), kept=True),
        MessageId.CONFIG_TEXT: Kind(4, _text("configuration", lambda limits: limits.text_bytes), kept=True),
        MessageId.HEADER: Kind(4, _text("header", lambda limits: limits.header_bytes), kept=True),
        MessageId.CLOSE: Kind(0, lambda _head, _limits: Size(0, 0), kept=True),
        MessageId.TEXT: Kind(4, _text("text", lambda limits: limits.text_bytes), kept=True),
        MessageId.QUERY: Kind(_QUERY.size, _query, kept=True),
        MessageId.RESPONSE: Kind(_RESPONSE.size, _response, kept=True),
        MessageId.ACQUISITION: Kind(ACQUISITION_HEADER.itemsize, _acquisition),
        MessageId.IMAGE: Kind(IMAGE_HEADER_BYTES + 8, _image),
        MessageId.WAVEFORM: Kind(WAVEFORM_HEADER_BYTES, _waveform),
        MessageId.NDARRAY: Kind(_ARRAY.size, _array),
    }
)


def kind_of(message_id: int) -> Kind:
    """Look a message id up.

    Raises
    ------
    FramingError
        Nobody knows the id.
    """
    try:
        return KINDS[message_id]
    except KeyError:
        pass
    if message_id == MRD_V2_MAGIC:
        msg = "this looks like an MRD version 2 stream (yardl); send MRD version 1"
    else:
        msg = f"message id {message_id} is not one of MRD version 1"
    raise FramingError(msg)
