"""What a session means: the order of its messages, what to answer, and the verdict at its end. No sockets, no files."""

from __future__ import annotations

import struct

from gateway.model.errors import BadStream
from gateway.model.scan import ScanState, Verdict
from gateway.mrd import messages
from gateway.mrd.framing import Bytes, Limits, MessageId
from gateway.mrd.parser import Message, Parser

NO_CHOICE = ("", "default")
"""Configuration names by which a client leaves the recipe to the routes."""


class Session:
    """Follow one session from its first byte to its verdict."""

    def __init__(self, limits: Limits) -> None:
        self.recipe_asked = ""
        self._parser = Parser(limits)
        self._config_seen = False
        self._header_seen = False
        self._fault: BadStream | None = None

    @property
    def closed(self) -> bool:
        """Whether the client has said CLOSE."""
        return self._parser.closed

    @property
    def n_bytes(self) -> int:
        """Bytes taken so far."""
        return self._parser.offset

    @property
    def n_acquisitions(self) -> int:
        """Readouts that have come whole."""
        return self._parser.counts[MessageId.ACQUISITION]

    @property
    def scan_begun(self) -> bool:
        """Whether this is a scan and not a health check."""
        return self._header_seen

    @property
    def worth_keeping(self) -> bool:
        """Whether a person may want to see it: a health check or a port probe leaves nothing behind."""
        return self._header_seen or self._fault is not None

    @property
    def whole_messages(self) -> int:
        """Messages that have come whole."""
        return self._parser.counts.total()

    @property
    def between_messages(self) -> bool:
        """Whether all that came is whole messages."""
        return self._parser.whole == self._parser.offset

    def feed(self, chunk: Bytes) -> bytes:
        """Take the next bytes and return what to answer at once.

        Raises
        ------
        BadStream
            The bytes are no MRD session.
        """
        try:
            answer = b"".join(self._read(message) for message in self._parser.messages(chunk))
            self._refuse_data_without_header(self._parser.offset)
            if self._parser.fault is not None:
                raise self._parser.fault
        except BadStream as fault:
            self._fault = fault
            raise
        return answer

    def _refuse_data_without_header(self, before: int) -> None:
        first = self._parser.first_data
        if not self._header_seen and first is not None and first < before:
            raise BadStream(first, "data before the header")

    def _read(self, message: Message) -> bytes:
        self._refuse_data_without_header(message.offset)
        match message.id:
            case MessageId.CONFIG_FILE | MessageId.CONFIG_TEXT if self._config_seen or self._header_seen:
                raise BadStream(message.offset, "a second configuration")
            case MessageId.CONFIG_FILE:
                self._config_seen = True
                name = messages.decode_text(message.body).strip()
                self.recipe_asked = "" if name in NO_CHOICE else name
            case MessageId.CONFIG_TEXT:
                self._config_seen = True
            case MessageId.HEADER if self._header_seen:
                raise BadStream(message.offset, "a second header")
            case MessageId.HEADER:
                self._header_seen = True
            case MessageId.QUERY:
                return messages.response(struct.unpack_from("<Q", message.head, 8)[0], "Unknown query")
        return b""

    def verdict(self, stopped: str = "") -> Verdict:
        """Judge the session; ``stopped`` says why it ended when it was not the client who ended it."""
        state, reason = self._judge(stopped)
        counts = self._parser.counts
        return Verdict(
            state=state,
            reason=reason,
            recipe_asked=self.recipe_asked,
            n_bytes=self._parser.offset,
            n_acquisitions=counts[MessageId.ACQUISITION],
            n_waveforms=counts[MessageId.WAVEFORM],
        )

    def _judge(self, stopped: str) -> tuple[ScanState, str]:
        n_data = sum(self._parser.counts[i] for i in _DATA)
        if self._fault is not None:
            state = ScanState.INCOMPLETE if n_data and self._header_seen else ScanState.REJECTED
            return state, str(self._fault)
        if stopped:
            return ScanState.INCOMPLETE, stopped
        if self.closed:
            return (ScanState.COMPLETE, "") if n_data else (ScanState.NO_DATA, "closed without a readout")
        if not n_data and self.between_messages:
            return ScanState.NO_DATA, "ended without a readout and without CLOSE"
        return ScanState.INCOMPLETE, f"the client went away without CLOSE after {self._parser.offset} bytes"


_DATA = (MessageId.ACQUISITION, MessageId.WAVEFORM, MessageId.IMAGE, MessageId.NDARRAY)
