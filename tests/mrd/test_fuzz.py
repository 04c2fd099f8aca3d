"""Sessions that were damaged in every way we can think of: taken or refused, never a crash, a hang or memory to spare.

GATEWAY_FUZZ_CASES=1000000 makes a long run of it; without it, as many as a change should wait for.
"""

from __future__ import annotations

import os
import struct
import tracemalloc
from random import Random

import numpy as np

from gateway.model.errors import BadStream
from gateway.model.scan import ScanState
from gateway.mrd import messages
from gateway.mrd.framing import Limits, MessageId
from gateway.mrd.session import Session
from tests.mrd.streams import acquisition, serialized

CASES = int(os.environ.get("GATEWAY_FUZZ_CASES", "30000"))
LIMITS = Limits(header_bytes=4096, text_bytes=256, acquisition_bytes=4096, waveform_bytes=4096, image_bytes=4096)
MEMORY_BYTES = 1 << 20
"""What all cases together may need at any time; one refused message asks for up to 2**64."""

PARTS = [
    messages.config_file("fft")[:64].ljust(1026, b"\0"),
    messages.header(b"<ismrmrdHeader/>"),
    messages.text("a word"),
    struct.pack("<HQQQ", MessageId.QUERY, 0, 1, 2) + b"ab",
    serialized(acquisition(0, samples=4), config=None, header=None)[:-2],
    serialized(acquisition(1, samples=4, dimensions=2), config=None, header=None)[:-2] * 3,
    serialized(np.zeros((2, 3), np.complex64), config=None, header=None)[:-2],
    messages.close(),
]
"""Whole messages; a case is some of them, with some bytes changed, cut somewhere, in pieces of some size."""
EXTREMES = (0, 1, 0x7F, 0x80, 0xFE, 0xFF)


def damaged(random: Random) -> bytes:
    """Some parts in some order, most of them a session's, and most of that damaged."""
    parts = PARTS[:] if random.random() < 0.7 else random.choices(PARTS, k=random.randrange(1, 9))
    stream = bytearray(b"".join(parts))
    for _ in range(random.choice((0, 1, 1, 2, 8))):
        stream[random.randrange(len(stream))] = (
            random.choice(EXTREMES) if random.random() < 0.5 else random.randrange(256)
        )
    return bytes(stream[: random.randrange(len(stream) + 1)] if random.random() < 0.3 else stream)


def feed(stream: bytes, size: int) -> Session:
    session = Session(LIMITS)
    try:
        for at in range(0, len(stream), size):
            session.feed(stream[at : at + size])
    except BadStream as fault:
        assert 0 <= fault.offset <= len(stream)  # noqa: PT017 - both ways are right; this one has an offset
    return session


def test_no_damage_crashes_or_hangs() -> None:
    random = Random(7)  # noqa: S311 - cases, not secrets
    verdicts = dict.fromkeys(ScanState, 0)
    for _ in range(CASES):
        stream = damaged(random)
        session = feed(stream, random.choice((len(stream) or 1, 700, 61)))
        verdict = session.verdict()
        assert verdict.n_bytes <= len(stream)
        verdicts[verdict.state] += 1
    for state in (ScanState.COMPLETE, ScanState.INCOMPLETE, ScanState.REJECTED, ScanState.NO_DATA):
        assert verdicts[state] > CASES // 1000, "the cases must reach every verdict"


def test_no_damage_takes_memory() -> None:
    random = Random(9)  # noqa: S311 - cases, not secrets
    tracemalloc.start()
    for _ in range(CASES // 50):
        feed(damaged(random), 700)
    assert tracemalloc.get_traced_memory()[1] < MEMORY_BYTES
    tracemalloc.stop()


def test_pieces_of_any_size_come_to_the_same_verdict() -> None:
    random = Random(8)  # noqa: S311 - cases, not secrets
    for _ in range(CASES // 50):
        stream = damaged(random)
        bytewise, at_once = feed(stream, 1).verdict(), feed(stream, len(stream) or 1).verdict()
        assert (bytewise.state, bytewise.reason) == (at_once.state, at_once.reason)
