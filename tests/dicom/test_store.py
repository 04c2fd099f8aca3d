"""What was stored is known at once, what failed is named, and nothing that failed counts as stored."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
)
from pynetdicom.events import Event

from gateway.dicom.association import VERIFICATION, open_association
from gateway.dicom.negotiation import Offer
from gateway.dicom.status import STATUSES, Outcome, Status, meaning_of
from gateway.dicom.store import echo, store
from gateway.model.errors import DamagedFile, PeerRefused, PeerUnreachable, Unconfirmed
from gateway.model.form import Compression
from gateway.model.series import Instance
from tests.dicom.outbox import Written, pacs, several, written
from tests.dicom.scripted import scripted_pacs
from tests.peers import free_port

RAISES = {Outcome.RETRY: PeerUnreachable, Outcome.PERMANENT: PeerRefused, Outcome.VERIFY: Unconfirmed}


@pytest.fixture
def series(tmp_path: Path) -> Written:
    return written(tmp_path)


class Diary:
    """Keeps what `store` reports."""

    def __init__(self) -> None:
        self.entries: list[tuple[int, int]] = []

    def __call__(self, instance: Instance, status: int) -> None:
        self.entries.append((instance.number, status))


def test_the_bytes_of_the_outbox_arrive_as_they_are(series: Written) -> None:
    arrived: list[bytes] = []

    def keep(event: Event) -> int:
        arrived.append(event.encoded_dataset(include_meta=False))
        return 0

    diary = Diary()
    with scripted_pacs(keep) as (port, _):
        store(series, pacs(port), diary)
    assert diary.entries == [(1, 0), (2, 0), (3, 0)]
    assert all(path.read_bytes().endswith(content) for (_, path), content in zip(series, arrived, strict=True))
    assert all(len(content) > 1000 for content in arrived)


def test_a_peer_that_knows_implicit_vr_only_gets_the_same_values(series: Written) -> None:
    arrived = []

    def keep(event: Event) -> int:
        arrived.append((event.context.transfer_syntax, event.dataset))
        return 0

    with scripted_pacs(keep, [ImplicitVRLittleEndian]) as (port, _):
        store(series, pacs(port), Diary())
    for (_, path), (syntax, ds) in zip(series, arrived, strict=True):
        assert syntax == ImplicitVRLittleEndian
        truth = dcmread(path)
        assert ds.PixelData == truth.PixelData
        assert ds.PatientName == truth.PatientName
        assert ds.ImagePositionPatient == truth.ImagePositionPatient


@pytest.fixture(scope="module")
def answers() -> list[int]:
    """What the PACS of `answering_port` answers, one after the other."""
    return []


@pytest.fixture(scope="module")
def answering_port(answers: list[int]) -> Iterator[int]:
    with scripted_pacs(lambda _event: answers.pop(0)) as (port, _):
        yield port


@pytest.mark.parametrize("row", STATUSES, ids=lambda row: f"{row.first:04X}")
def test_every_row_of_the_status_table_has_its_consequence(
    row: Status, series: Written, answers: list[int], answering_port: int
) -> None:
    status = next(s for s in range(row.first, row.last + 1) if meaning_of(s) is row)
    answers[:] = [0x0000, status, 0x0000]
    diary = Diary()
    if row.outcome not in RAISES:
        store(series, pacs(answering_port), diary)
        assert diary.entries == [(1, 0), (2, status), (3, 0)]
        return
    with pytest.raises(RAISES[row.outcome]) as failure:
        store(series, pacs(answering_port), diary)
    if row.outcome is Outcome.VERIFY:
        assert diary.entries == [(1, 0), (3, 0)]
    else:
        assert diary.entries == [(1, 0)]
        assert "1 of 3 stored" in str(failure.value)
    for fact in ("PACS", f"0x{status:04X}", row.meaning, series[1][0].sop_instance_uid):
        assert fact in str(failure.value)
    assert "Müller" not in str(failure.value)


@pytest.mark.parametrize("shown", [True, False])
def test_a_duplicate_counts_as_stored_only_where_the_peer_shows_it(shown: bool, series: Written) -> None:
    def answer_query(event: Event) -> Iterator[tuple[int, Dataset | None]]:
        asked = event.identifier
        truth = dcmread(series[1][1])
        assert asked.QueryRetrieveLevel == "IMAGE"
        assert all(asked[k] == truth[k] for k in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"))
        if shown:
            yield 0xFF00, asked
        yield 0x0000, None

    answers = [0x0000, 0x0111, 0x0000]
    diary = Diary()
    with scripted_pacs(lambda _event: answers.pop(0), find=answer_query) as (port, _):
        if shown:
            store(series, pacs(port), diary)
            assert diary.entries == [(1, 0), (3, 0), (2, 0x0111)]
            return
        with pytest.raises(Unconfirmed, match="does not show it"):
            store(series, pacs(port), diary)
    assert diary.entries == [(1, 0), (3, 0)]


@pytest.mark.parametrize("allowed", [2, 4])
def test_no_more_associations_are_open_at_once_than_allowed(allowed: int, tmp_path: Path) -> None:
    """Each C-STORE waits until as many are open as may be, so that the most is reached, and never more."""
    series = several(tmp_path, 12)
    full = threading.Barrier(allowed, timeout=10)
    most: list[int] = []
    diary = Diary()

    def answer(event: Event) -> int:
        full.wait()
        most.append(len(event.assoc.ae.active_associations))
        return 0

    with scripted_pacs(answer) as (port, _):
        store(series, pacs(port, max_associations=allowed), diary)
    assert max(most) == allowed
    assert sorted(diary.entries) == [(number, 0) for number in range(1, 13)]


def test_a_peer_that_grants_one_association_gets_the_series_over_one(series: Written) -> None:
    diary = Diary()
    with scripted_pacs(lambda _event: 0) as (port, ae):
        ae.maximum_associations = 1
        store(series, pacs(port, max_associations=3), diary)
    assert diary.entries == [(1, 0), (2, 0), (3, 0)]


def test_where_one_association_fails_all_of_them_stop(tmp_path: Path) -> None:
    series = several(tmp_path, 40)
    bad = series[5][0].sop_instance_uid
    diary = Diary()
    with (
        scripted_pacs(lambda event: 0xC000 if event.file_meta.MediaStorageSOPInstanceUID == bad else 0) as (port, _),
        pytest.raises(PeerRefused, match=bad),
    ):
        store(series, pacs(port, max_associations=3), diary)
    assert 6 not in {number for number, _ in diary.entries}
    assert len(diary.entries) < 39


def test_compressed_pixels_arrive_bit_by_bit_and_uncompressed_is_there_to_fall_back_to(
    series: Written, tmp_path: Path
) -> None:
    for taken, expected in (([RLELossless], RLELossless), ([ExplicitVRLittleEndian], ExplicitVRLittleEndian)):
        arrived: list[Dataset] = []

        def keep(event: Event, arrived: list[Dataset] = arrived) -> int:
            ds = event.dataset
            ds.file_meta = event.file_meta
            arrived.append(ds)
            return 0

        packed = written(tmp_path / "packed", compression=Compression.RLE)
        with scripted_pacs(keep, taken) as (port, _):
            store(packed, pacs(port, compression="rle"), Diary())
        for (_, path), ds in zip(series, arrived, strict=True):
            truth = dcmread(path)
            assert ds.file_meta.TransferSyntaxUID == expected
            assert ds.SOPInstanceUID == truth.SOPInstanceUID
            assert np.array_equal(ds.pixel_array, truth.pixel_array)


def test_an_association_that_is_aborted_leaves_the_outcome_unknown(series: Written) -> None:
    def abort_at_the_second(event: Event) -> int:
        if event.message_id == 2:
            event.assoc.abort()
        return 0

    diary = Diary()
    with (
        scripted_pacs(abort_at_the_second) as (port, _),
        pytest.raises(PeerUnreachable, match=r"1 of 3 stored.*stored or not"),
    ):
        store(series, pacs(port), diary)
    assert diary.entries == [(1, 0)]


def test_a_port_where_nobody_listens() -> None:
    with pytest.raises(PeerUnreachable, match="does not answer"):
        echo(pacs(free_port()))


def test_a_host_that_nobody_knows() -> None:
    with pytest.raises(PeerUnreachable, match=r"pacs\.invalid"):
        echo(pacs(104).model_copy(update={"host": "pacs.invalid"}))


def test_a_pacs_of_another_name_says_so(series: Written) -> None:
    with scripted_pacs(lambda _event: 0) as (port, ae):
        ae.require_called_aet = True
        with pytest.raises(PeerRefused, match=r"'ARCHIVE'.*called AE title not recognised"):
            store(series, pacs(port, "ARCHIVE"), Diary())


def test_a_pacs_that_does_not_know_us_says_so() -> None:
    with scripted_pacs(lambda _event: 0) as (port, ae):
        ae.require_calling_aet = ["SOMEBODY"]
        with pytest.raises(PeerRefused, match="calling AE title not recognised"):
            echo(pacs(port))


def test_a_pacs_that_is_busy_is_asked_again_later(series: Written) -> None:
    with scripted_pacs(lambda _event: 0) as (port, ae):
        ae.maximum_associations = 1
        first = open_association(pacs(port), [Offer(VERIFICATION, str(ImplicitVRLittleEndian))])
        with first, pytest.raises(PeerUnreachable, match="local limit exceeded"):
            store(series, pacs(port), Diary())


@pytest.mark.parametrize("offered", [[DeflatedExplicitVRLittleEndian], [JPEGLSLossless]])
def test_a_peer_that_takes_no_transfer_syntax_of_ours_is_told_apart(offered: list[str], series: Written) -> None:
    with (
        scripted_pacs(lambda _event: 0, offered) as (port, _),  # type: ignore[arg-type]
        pytest.raises(PeerRefused, match=r"1\.2\.840\.10008\.5\.1\.4\.1\.1\.4"),
    ):
        store(series, pacs(port), Diary())


def test_nothing_is_sent_when_one_class_of_the_series_is_not_accepted(series: Written) -> None:
    (first, path), *rest = series
    mixed = [(first, path), (replace(first, sop_class_uid=str(CTImageStorage)), path), *rest]
    diary = Diary()
    with scripted_pacs(lambda _event: 0) as (port, _), pytest.raises(PeerRefused, match=str(CTImageStorage)):
        store(mixed, pacs(port), diary)
    assert diary.entries == []


def test_a_file_that_has_changed_is_not_sent(series: Written) -> None:
    path = series[1][1]
    path.write_bytes(path.read_bytes()[:-2] + b"\1\1")
    diary = Diary()
    with scripted_pacs(lambda _event: 0) as (port, _), pytest.raises(DamagedFile, match="has changed"):
        store(series, pacs(port), diary)
    assert diary.entries == [(1, 0)]


def test_a_file_that_is_gone_is_named(series: Written) -> None:
    series[0][1].unlink()
    with scripted_pacs(lambda _event: 0) as (port, _), pytest.raises(DamagedFile, match="cannot be read"):
        store(series, pacs(port), Diary())


def test_whoever_listens_may_stop_the_sending(series: Written) -> None:
    class LeaseLostError(Exception):
        pass

    def stop(_instance: Instance, _status: int) -> None:
        raise LeaseLostError

    received: list[int] = []

    def count(event: Event) -> int:
        received.append(event.message_id)
        return 0

    with scripted_pacs(count) as (port, _), pytest.raises(LeaseLostError):
        store(series, pacs(port), stop)
    assert received == [1]


def test_nothing_to_send_needs_nobody() -> None:
    store([], pacs(free_port()), Diary())


def test_an_echo_is_answered() -> None:
    with scripted_pacs(lambda _event: 0, [ExplicitVRLittleEndian]) as (port, _):
        echo(pacs(port))
