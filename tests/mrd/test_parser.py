from __future__ import annotations

import struct
from itertools import pairwise

import ismrmrd
import numpy as np
import pytest
from hypothesis import given, strategies as st
from ismrmrd.hdf5 import acquisition_header_dtype

from gateway.model.readout import ACQUISITION_HEADER, Flag
from gateway.mrd.framing import KINDS, Limits, MessageId
from gateway.mrd.parser import Parser
from tests.mrd.streams import CLOSE, HEADER, acquisition, serialized

WAVEFORM = ismrmrd.Waveform.from_array(np.arange(12, dtype=np.uint32).reshape(2, 6))
IMAGE = ismrmrd.Image.from_array(np.ones((4, 6), np.float32))
SESSION = serialized(
    acquisition(0),
    WAVEFORM,
    acquisition(1, samples=5, channels=3, dimensions=2),
    IMAGE,
    np.zeros((2, 3), np.complex64),
    "a word in between",
)


def head(**fields: int) -> bytes:
    header = np.zeros(1, ACQUISITION_HEADER)
    for name, value in fields.items():
        header[name] = value
    return struct.pack("<H", MessageId.ACQUISITION) + header.tobytes()


def fault_of(stream: bytes, parser: Parser) -> str:
    parser.feed(stream)
    assert parser.fault is not None
    return parser.fault.why


def test_the_acquisition_header_is_laid_out_as_the_reference_has_it() -> None:
    assert acquisition_header_dtype == ACQUISITION_HEADER
    assert ACQUISITION_HEADER.itemsize == 340


def test_a_session_of_every_kind_is_taken_to_its_last_byte() -> None:
    parser = Parser()
    parser.feed(SESSION)
    assert parser.closed
    assert parser.offset == parser.whole == len(SESSION)
    kinds = [MessageId.CONFIG_FILE, MessageId.HEADER, MessageId.WAVEFORM, MessageId.IMAGE, MessageId.NDARRAY]
    assert [parser.counts[kind] for kind in kinds] == [1] * 5
    assert parser.counts[MessageId.ACQUISITION] == 2


def test_a_stream_cut_anywhere_gives_the_same_messages() -> None:
    whole = Parser().feed(SESSION)
    for cut in range(len(SESSION) + 1):
        parser = Parser()
        found = parser.feed(SESSION[:cut])
        assert parser.offset == cut
        assert parser.closed == (cut == len(SESSION))
        assert found + parser.feed(SESSION[cut:]) == whole


@given(st.lists(st.integers(0, len(SESSION)), max_size=20))
def test_a_stream_in_pieces_of_any_size_gives_the_same_messages(cuts: list[int]) -> None:
    parser, found = Parser(), []
    edges = [0, *sorted(cuts), len(SESSION)]
    for first, last in pairwise(edges):
        found += parser.feed(SESSION[first:last])
    assert found == Parser().feed(SESSION)
    assert parser.counts == {**parser.counts}
    assert parser.closed


def test_nothing_is_taken_after_close() -> None:
    parser = Parser()
    parser.feed(SESSION + b"more")
    assert parser.offset == len(SESSION)


@given(st.binary(max_size=4096))
def test_arbitrary_bytes_are_taken_or_refused_and_never_crash(noise: bytes) -> None:
    parser = Parser()
    parser.feed(noise)
    assert parser.fault is None or 0 <= parser.fault.offset <= len(noise)


TOO_LARGE = {
    "configuration": struct.pack("<HI", MessageId.CONFIG_TEXT, 101),
    "header": struct.pack("<HI", MessageId.HEADER, 201),
    "text": struct.pack("<HI", MessageId.TEXT, 0xFFFF_FFFF),
    "query": struct.pack("<HQQQ", MessageId.QUERY, 0, 1, 2**64 - 1),
    "response": struct.pack("<HQQ", MessageId.RESPONSE, 1, 2**64 - 1),
    "acquisition of": head(number_of_samples=38, active_channels=1),
    "channels": head(active_channels=5),
    "trajectory": head(number_of_samples=1, active_channels=1, trajectory_dimensions=4),
    "acquisition": head(number_of_samples=65_535, active_channels=4, trajectory_dimensions=3),
    "waveform": struct.pack("<H28xHH8x", MessageId.WAVEFORM, 65_535, 65_535),
    "image of": struct.pack("<H2xH12x3H12xH162xQ", MessageId.IMAGE, 8, 65_535, 65_535, 65_535, 65_535, 0),
    "attributes": struct.pack("<H2xH12x3H12xH162xQ", MessageId.IMAGE, 5, 1, 1, 1, 1, 2**64 - 1),
    "array of": struct.pack("<HHHH2Q", MessageId.NDARRAY, 5, 1, 2, 2**63, 2**63),
    "dimensions": struct.pack("<HHHH", MessageId.NDARRAY, 5, 1, 65_535),
}


@pytest.mark.parametrize("what", TOO_LARGE)
def test_what_is_larger_than_allowed_is_refused_before_its_body(what: str) -> None:
    limits = Limits(
        header_bytes=200, text_bytes=100, acquisition_bytes=300, waveform_bytes=100, channels=4, trajectory_dimensions=3
    )
    assert what in fault_of(TOO_LARGE[what], Parser(limits))


@pytest.mark.parametrize(("n_bytes", "allowed"), [(200, True), (201, False)])
def test_the_limit_itself_is_allowed_and_one_more_is_not(n_bytes: int, allowed: bool) -> None:
    parser = Parser(Limits(header_bytes=200))
    message = struct.pack("<HI", MessageId.HEADER, n_bytes) + bytes(n_bytes)
    if allowed:
        assert len(parser.feed(message)) == 1
    else:
        assert "over the limit of 200" in fault_of(message, parser)


@pytest.mark.parametrize("flag", [Flag.COMPRESSION1, Flag.COMPRESSION2])
def test_compressed_acquisitions_are_refused_by_name(flag: Flag) -> None:
    assert "compressed" in fault_of(head(flags=flag.bit, number_of_samples=4, active_channels=1), Parser())


@pytest.mark.parametrize(("stream", "words"), [(b"yardl\0", "version 2"), (b"GET / HTTP/1.1", "not one of MRD")])
def test_a_foreign_protocol_is_named(stream: bytes, words: str) -> None:
    assert words in fault_of(stream, Parser())


def test_an_image_of_a_type_that_does_not_exist_is_refused() -> None:
    assert "data type 9" in fault_of(struct.pack("<H2xH12x3H12xH162xQ", MessageId.IMAGE, 9, 1, 1, 1, 1, 0), Parser())


def test_only_what_the_session_reads_is_kept_in_memory() -> None:
    kept = {MessageId(message_id) for message_id, kind in KINDS.items() if kind.kept}
    samples = {MessageId.ACQUISITION, MessageId.IMAGE, MessageId.WAVEFORM, MessageId.NDARRAY}
    assert kept == set(MessageId) - samples
    assert HEADER.startswith(b"<?xml")
    assert len(CLOSE) == 2


RUNS = serialized(
    *[acquisition(line) for line in range(5)],
    *[acquisition(line, samples=4, channels=4) for line in range(4)],
    WAVEFORM,
    *[acquisition(line, samples=4, channels=4) for line in range(3)],
)
"""Runs of readouts; the first two kinds are equally long and of different shape."""


@given(st.lists(st.integers(0, len(RUNS)), max_size=6))
def test_runs_of_readouts_are_counted_however_they_are_cut(cuts: list[int]) -> None:
    parser = Parser()
    for first, last in pairwise([0, *sorted(cuts), len(RUNS)]):
        parser.feed(RUNS[first:last])
    assert (parser.counts[MessageId.ACQUISITION], parser.counts[MessageId.WAVEFORM]) == (12, 1)
    assert parser.offset == parser.whole == len(RUNS)
    assert parser.closed


@pytest.mark.parametrize("spoilt", range(1, 5))
def test_a_compressed_readout_within_a_run_is_found(spoilt: int) -> None:
    parser, n_bytes = Parser(), len(head()) + 8 * 2 * 8
    run = bytearray((head(number_of_samples=8, active_channels=2) + bytes(8 * 2 * 8)) * 5)
    run[n_bytes * spoilt + 4 + 6] |= 1 << 4  # flag 53 is bit 52 of the eight bytes from offset 4
    assert "compressed" in fault_of(bytes(run), parser)
    assert parser.fault is not None
    assert parser.fault.offset == n_bytes * spoilt
    assert parser.counts[MessageId.ACQUISITION] == spoilt
