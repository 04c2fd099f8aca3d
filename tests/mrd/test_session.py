from __future__ import annotations

import struct

import pytest

from gateway.model.errors import BadStream
from gateway.model.scan import ScanState
from gateway.mrd import messages
from gateway.mrd.framing import Limits
from gateway.mrd.session import Session
from tests.mrd.streams import CLOSE, HEADER, acquisition, serialized

SCAN = serialized(acquisition(0), acquisition(1))


def after(stream: bytes) -> Session:
    session = Session(Limits())
    session.feed(stream)
    return session


def test_a_scan_that_ends_with_close_is_complete() -> None:
    verdict = after(SCAN).verdict()
    assert (verdict.state, verdict.reason) == (ScanState.COMPLETE, "")
    assert (verdict.n_acquisitions, verdict.n_bytes) == (2, len(SCAN))


@pytest.mark.parametrize("missing", [1, 2, 3, 100])
def test_a_scan_without_close_is_incomplete(missing: int) -> None:
    verdict = after(SCAN[:-missing]).verdict()
    assert verdict.state is ScanState.INCOMPLETE
    assert "without CLOSE" in verdict.reason


def test_a_header_and_close_without_a_readout_is_no_data() -> None:
    session = after(serialized())
    assert session.verdict().state is ScanState.NO_DATA
    assert session.worth_keeping


@pytest.mark.parametrize("stream", [b"", messages.config_file("isalive.xml") + CLOSE, messages.config_file("x")])
def test_probes_and_health_checks_leave_nothing_behind(stream: bytes) -> None:
    assert not after(stream).worth_keeping


def test_a_query_gets_an_answer_at_once() -> None:
    answer = Session(Limits()).feed(struct.pack("<HQQQ", 6, 0, 77, 9) + b"gadgetron")
    assert answer == struct.pack("<HQQ", 7, 77, 13) + b"Unknown query"


@pytest.mark.parametrize(
    ("stream", "words"),
    [
        (messages.config_file("a") + messages.config_file("b"), "second configuration"),
        (messages.header(HEADER) + messages.config_file("b"), "second configuration"),
        (messages.header(HEADER) * 2, "second header"),
        (serialized(acquisition(0), header=None), "data before the header"),
        (b"\xff\xff", "not one of MRD"),
    ],
)
def test_what_is_out_of_order_is_rejected(stream: bytes, words: str) -> None:
    session = Session(Limits())
    with pytest.raises(BadStream, match=words):
        session.feed(stream)
    verdict = session.verdict()
    assert verdict.state is ScanState.REJECTED
    assert words in verdict.reason


@pytest.mark.parametrize("cut", range(0, len(SCAN), 97))
def test_data_before_the_header_is_rejected_however_the_stream_is_cut(cut: int) -> None:
    stream = serialized(acquisition(0), header=None)[:-2] + messages.header(HEADER) + CLOSE
    session = Session(Limits())
    with pytest.raises(BadStream, match="data before the header"):  # noqa: PT012 - whichever piece it is in
        for piece in (stream[:cut], stream[cut:]):
            session.feed(piece)


def test_a_fault_after_readouts_keeps_the_scan_as_incomplete() -> None:
    session = Session(Limits())
    with pytest.raises(BadStream):
        session.feed(SCAN[:-2] + b"\xff\xff")
    assert session.verdict().state is ScanState.INCOMPLETE


@pytest.mark.parametrize(("name", "asked"), [("fft", "fft"), ("default", ""), ("", ""), (" sense ", "sense")])
def test_the_name_of_the_configuration_is_the_recipe_asked_for(name: str, asked: str) -> None:
    assert after(messages.config_file(name) + CLOSE).recipe_asked == asked


def test_what_stands_behind_the_first_nul_of_a_name_is_garbage() -> None:
    garbage = struct.pack("<H", 1) + b"fft\0" + b"\xfe" * 1020
    assert after(garbage + CLOSE).recipe_asked == "fft"
