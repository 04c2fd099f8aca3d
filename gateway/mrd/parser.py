"""The MRD stream as a state machine fed with bytes: no sockets, no files, bounded memory.

Samples, pixels and waveforms pass through uncopied and are only counted; what a session has to read (configuration,
header, text, query, close) comes out whole.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.model.errors import BadStream
from gateway.mrd.framing import Bytes, FramingError, Kind, Limits, MessageId, kind_of
from gateway.mrd.runs import alike

_ID = struct.Struct("<H")


@dataclass(frozen=True, slots=True)
class Message:
    """One whole message that the session reads."""

    id: MessageId
    offset: int
    """Of its id, in the stream."""
    head: bytes
    body: bytes


class Parser:
    """Find the messages in a stream that arrives in pieces.

    ``offset`` counts the bytes taken, ``counts`` the whole messages by id, ``whole`` the bytes up to the end of the
    last whole message. After CLOSE, and after a fault, nothing more is taken; what came whole before a fault counts,
    however the stream was cut into pieces.
    """

    def __init__(self, limits: Limits = Limits()) -> None:  # noqa: B008 - frozen
        self.limits = limits
        self.offset = 0
        self.whole = 0
        self.counts: Counter[int] = Counter()
        self.closed = False
        self.fault: BadStream | None = None
        """Why the bytes are no MRD stream, or ask for more than the limits allow."""
        self.first_data: int | None = None
        """Offset of the first message that carries samples or pixels."""
        self._head = bytearray()
        self._kind: Kind | None = None
        self._id = 0
        self._start = 0
        self._needed = _ID.size
        self._body: bytearray | None = None
        self._left = 0

    def feed(self, chunk: Bytes) -> list[Message]:
        """Take the next bytes and return the messages that ended in them; look at ``fault`` afterwards."""
        return list(self.messages(chunk))

    def messages(self, chunk: Bytes) -> Iterator[Message]:
        """Take the next bytes as far as the messages that ended in them are asked for."""
        view, at = memoryview(chunk), 0
        while at < len(view) and not self.closed and self.fault is None:
            at = self._skip_body(view, at) if self._left else self._take_head(view, at)
            if not self._left and not self._needed and self.fault is None:
                at = self._pass_alike(view, at) if self._id == MessageId.ACQUISITION else at
                message = self._end_message()
                if message is not None:
                    yield message

    def _pass_alike(self, view: memoryview, at: int) -> int:
        """Take the readouts that are like the one that just ended."""
        n_bytes = self.offset - self._start
        n = alike(view, at, head=self._head, n_bytes=n_bytes)
        self.counts[self._id] += n
        self.offset += n * n_bytes
        return at + n * n_bytes

    def _skip_body(self, view: memoryview, at: int) -> int:
        n = min(self._left, len(view) - at)
        if self._body is not None:
            self._body += view[at : at + n]
        self._left -= n
        self.offset += n
        return at + n

    def _take_head(self, view: memoryview, at: int) -> int:
        n = min(self._needed, len(view) - at)
        self._head += view[at : at + n]
        self._needed -= n
        self.offset += n
        if not self._needed:
            try:
                self._measure()
            except FramingError as error:
                self.fault = BadStream(self._start, str(error))
        return at + n

    def _measure(self) -> None:
        if self._kind is None:
            self._start = self.offset - _ID.size
            self._id = _ID.unpack(self._head)[0]
            self._kind = kind_of(self._id)
            self._head.clear()
            self._needed = self._kind.head
            if self._needed:
                return
        size = self._kind.measure(self._head, self.limits)
        self._needed = size.head - len(self._head)
        self._left = size.body
        if not self._kind.kept and self.first_data is None:
            self.first_data = self._start
        self._body = bytearray() if self._kind.kept else None

    def _end_message(self) -> Message | None:
        if self._kind is None:
            return None
        self.counts[self._id] += 1
        self.whole = self.offset
        message = None
        if self._body is not None:
            message = Message(MessageId(self._id), self._start, bytes(self._head), bytes(self._body))
        self.closed = self._id == MessageId.CLOSE
        self._kind, self._body = None, None
        self._head.clear()
        self._needed = _ID.size
        return message
