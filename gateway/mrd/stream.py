"""A recorded session read back, and readouts written as a session: arrays, no loop per readout.

Readouts of equal shape that follow each other are one run: a strided view of the memory-mapped file.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gateway.model.errors import BadStream, UnreadableFile
from gateway.model.readout import ACQUISITION_HEADER, Acquisition, Flag, Readouts, mask
from gateway.mrd import messages
from gateway.mrd.framing import FramingError, Limits, MessageId, kind_of

FIRST_RUN = 64
"""Readouts that are looked at in one go at first; doubled as long as they are alike."""

WRITE_BATCH_BYTES = 4 << 20
"""How much of a run is turned into bytes at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedSession:
    """What a session carried."""

    header_xml: bytes
    recipe_asked: str
    acquisition: Acquisition
    waveforms: tuple[bytes, ...] = ()
    """Bodies of WAVEFORM messages, as they came."""


def record_dtype(*, samples: int, channels: int, dimensions: int) -> np.dtype[Any]:
    """One ACQUISITION message of this shape as it stands in the stream."""
    return np.dtype(
        [
            ("id", "<u2"),
            ("head", ACQUISITION_HEADER),
            ("trajectory", "<f4", (samples, dimensions)),
            ("samples", "<c8", (channels, samples)),
        ]
    )


def read_session(path: Path, *, cut: bool = False) -> RecordedSession:
    """Read a recording; the samples stay in the memory-mapped file until they are used.

    Parameters
    ----------
    cut
        Take what came whole of a stream that was cut, or that went wrong later.

    Raises
    ------
    UnreadableFile
        There is nothing at ``path``.
    BadStream
        The bytes are not an MRD session, or end within a message.
    """
    reading = Reading()
    try:
        reading.take(map_file(path))
    except BadStream:
        if not cut:
            raise
    return reading.session


def read_header(path: Path) -> bytes:
    """Read the header of a recording alone: nothing of the readouts that follow it.

    Raises
    ------
    UnreadableFile
        There is nothing at ``path``.
    BadStream
        The bytes are not an MRD session, or readouts come before a header.
    """
    stream, at = map_file(path), 0
    while at < len(stream):
        message_id = int.from_bytes(stream[at : at + 2], "little")
        if message_id in (MessageId.ACQUISITION, MessageId.CLOSE):
            break
        body, end = _body(stream, at, message_id)
        if message_id == MessageId.HEADER:
            return stream[body:end]
        at = end
    raise BadStream(at, "no header comes before the readouts")


def map_file(path: Path) -> mmap.mmap:
    """Map a file that only ever grows, as long as it is now.

    Raises
    ------
    UnreadableFile
        There is nothing at ``path``.
    """
    try:
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise UnreadableFile(path, str(error)) from error


@dataclass(slots=True)
class Reading:
    """What was read of a session so far."""

    header_xml: bytes = b""
    recipe_asked: str = ""
    runs: list[Readouts] = field(default_factory=list)
    waveforms: list[bytes] = field(default_factory=list)
    at: int = 0
    """Up to here."""

    @property
    def session(self) -> RecordedSession:
        """Everything that was read."""
        return RecordedSession(
            header_xml=self.header_xml,
            recipe_asked=self.recipe_asked,
            acquisition=tuple(self.runs),
            waveforms=tuple(self.waveforms),
        )

    def take(self, stream: mmap.mmap) -> None:
        """Read on, to the end of the stream or to its CLOSE.

        Raises
        ------
        BadStream
            The bytes are not an MRD session, or end within a message; what came whole before that was read.
        """
        while self.at < len(stream):
            message_id = int.from_bytes(stream[self.at : self.at + 2], "little")
            body, end = _body(stream, self.at, message_id)
            match message_id:
                case MessageId.ACQUISITION:
                    run, end = _run(stream, self.at)
                    self.runs.append(run)
                case MessageId.HEADER:
                    self.header_xml = stream[body:end]
                case MessageId.CONFIG_FILE:
                    self.recipe_asked = messages.decode_text(stream[body:end])
                case MessageId.WAVEFORM:
                    self.waveforms.append(stream[self.at + 2 : end])
                case MessageId.CLOSE:
                    return
            self.at = end


_NO_LIMIT = Limits(**{each.name: 1 << 62 for each in fields(Limits)})


def _body(stream: mmap.mmap, at: int, message_id: int) -> tuple[int, int]:
    """Find where the body of the message at ``at`` begins and ends."""
    try:
        kind = kind_of(message_id)
        size = kind.measure(_head(stream, at, kind.head), _NO_LIMIT)
        if size.head > kind.head:
            size = kind.measure(_head(stream, at, size.head), _NO_LIMIT)
    except FramingError as error:
        raise BadStream(at, str(error)) from None
    body = at + 2 + size.head
    if body + size.body > len(stream):
        raise BadStream(at, "the stream ends within a message")
    return body, body + size.body


def _head(stream: mmap.mmap, at: int, n: int) -> bytes:
    head = stream[at + 2 : at + 2 + n]
    if len(head) < n:
        raise BadStream(at, "the stream ends within a message")
    return head


def _run(stream: mmap.mmap, at: int) -> tuple[Readouts, int]:
    """Take as many readouts of one shape as follow each other."""
    head = np.frombuffer(stream, ACQUISITION_HEADER, 1, at + 2)[0]
    dtype = record_dtype(
        samples=int(head["number_of_samples"]),
        channels=int(head["active_channels"]),
        dimensions=int(head["trajectory_dimensions"]),
    )
    fits = (len(stream) - at) // dtype.itemsize
    n, step = 1, FIRST_RUN
    while n < fits:
        alike = _alike(np.frombuffer(stream, dtype, min(step, fits - n), at + n * dtype.itemsize), head)
        n += alike
        if alike < step:
            break
        step *= 2
    records = np.frombuffer(stream, dtype, n, at)
    return Readouts(records["head"], records["samples"], records["trajectory"]), at + n * dtype.itemsize


def _alike(records: npt.NDArray[Any], head: np.void) -> int:
    """Count the leading records that are readouts of the shape that ``head`` has."""
    heads = records["head"]
    alike = (records["id"] == MessageId.ACQUISITION) & (
        heads["flags"] & mask(Flag.COMPRESSION1, Flag.COMPRESSION2) == 0
    )
    for name in ("number_of_samples", "active_channels", "trajectory_dimensions"):
        alike &= heads[name] == head[name]
    return len(records) if alike.all() else int(alike.argmin())


def write_session(scan: RecordedSession, *, recipe: str = "") -> Iterator[bytes]:
    """Write a scan as a session, from its configuration to its CLOSE, in pieces; waveforms go before the readouts."""
    yield messages.config_file(recipe or "default") + messages.header(scan.header_xml)
    yield b"".join(messages.waveform(body) for body in scan.waveforms)
    for run in scan.acquisition:
        yield from write_readouts(run)
    yield messages.close()


def write_readouts(run: Readouts) -> Iterator[bytes]:
    """Write a run as ACQUISITION messages."""
    _, channels, samples = run.samples.shape
    dtype = record_dtype(samples=samples, channels=channels, dimensions=run.trajectory.shape[2])
    batch = max(1, WRITE_BATCH_BYTES // dtype.itemsize)
    for first in range(0, len(run), batch):
        part = slice(first, first + batch)
        records = np.empty(len(run.heads[part]), dtype)
        records["id"] = MessageId.ACQUISITION
        records["head"] = run.heads[part]
        records["trajectory"] = run.trajectory[part]
        records["samples"] = run.samples[part]
        yield records.tobytes()
