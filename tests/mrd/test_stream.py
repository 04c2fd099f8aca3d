from __future__ import annotations

import io
from pathlib import Path

import ismrmrd
import numpy as np
import pytest
from ismrmrd.serialization import ProtocolDeserializer

from gateway.model.errors import BadStream, UnreadableFile
from gateway.mrd.files import read_scan, stream_of
from gateway.mrd.stream import FIRST_RUN, read_session, write_session
from tests.mrd.streams import HEADER, acquisition, serialized

WAVEFORM = ismrmrd.Waveform.from_array(np.arange(12, dtype=np.uint32).reshape(2, 6))


def recorded(tmp_path: Path, stream: bytes) -> Path:
    path = tmp_path / "scan.mrd"
    path.write_bytes(stream)
    return path


def shapes(path: Path) -> list[tuple[int, ...]]:
    return [run.samples.shape for run in read_session(path).acquisition]


@pytest.mark.parametrize("n", [1, 2, FIRST_RUN, FIRST_RUN + 1, 3 * FIRST_RUN + 1])
def test_readouts_come_back_as_they_were_written(tmp_path: Path, n: int) -> None:
    written = [acquisition(line, dimensions=2) for line in range(n)]
    (run,) = read_session(recorded(tmp_path, serialized(*written))).acquisition
    assert np.array_equal(run.samples, [one.data for one in written])
    assert np.array_equal(run.trajectory, [one.traj for one in written])
    assert run.heads["idx"]["kspace_encode_step_1"].tolist() == list(range(n))
    assert run.heads["center_sample"].tolist() == [4] * n


def test_readouts_of_another_shape_begin_another_run(tmp_path: Path) -> None:
    items = [acquisition(0), acquisition(1), WAVEFORM, acquisition(2, channels=3), acquisition(3, samples=4)]
    path = recorded(tmp_path, serialized(*items, acquisition(4, samples=4)))
    assert shapes(path) == [(2, 2, 8), (1, 3, 8), (2, 2, 4)]
    assert len(read_session(path).waveforms) == 1


def test_readouts_that_differ_late_are_told_apart(tmp_path: Path) -> None:
    items = [acquisition(0)] * 100 + [acquisition(0, channels=1)] + [acquisition(0)] * 3
    assert shapes(recorded(tmp_path, serialized(*items))) == [(100, 2, 8), (1, 1, 8), (3, 2, 8)]


def test_what_we_write_the_reference_reads(tmp_path: Path) -> None:
    path = recorded(tmp_path, serialized(acquisition(0), acquisition(1, dimensions=3), WAVEFORM))
    items = list(ProtocolDeserializer(io.BytesIO(b"".join(write_session(read_session(path))))).deserialize())
    readouts = [one for one in items if isinstance(one, ismrmrd.Acquisition)]
    assert [one.getHead() for one in readouts] == [acquisition(0).getHead(), acquisition(1, dimensions=3).getHead()]
    assert np.array_equal(readouts[1].traj, acquisition(1, dimensions=3).traj)
    assert [one for one in items if isinstance(one, ismrmrd.Waveform)] == [WAVEFORM]


@pytest.mark.parametrize("kept", [1, 100, 1027, 1100, -1, -3, -400])
def test_a_recording_cut_within_a_message_says_where(tmp_path: Path, kept: int) -> None:
    stream = serialized(acquisition(0), acquisition(1))
    with pytest.raises(BadStream, match="ends within a message"):
        read_session(recorded(tmp_path, stream[:kept]))


def h5(tmp_path: Path, *readouts: ismrmrd.Acquisition) -> Path:
    path = tmp_path / "scan.h5"
    with ismrmrd.Dataset(str(path), create_if_needed=True) as file:
        file.write_xml_header(HEADER)
        for one in readouts:
            file.append_acquisition(one)
        file.append_waveform(WAVEFORM)
    return path


def test_a_file_of_the_reference_goes_over_the_wire_as_the_reference_would_send_it(tmp_path: Path) -> None:
    path = h5(tmp_path, acquisition(0), acquisition(1, samples=4), acquisition(2, samples=4))
    scan, stream = stream_of(path, "fft")
    assert [run.samples.shape for run in scan.acquisition] == [(1, 2, 8), (2, 2, 4)]
    items = list(ProtocolDeserializer(io.BytesIO(b"".join(stream))).deserialize())
    assert items[0] == "fft"
    assert [one.scan_counter for one in items if isinstance(one, ismrmrd.Acquisition)] == [0, 1, 2]
    assert [one for one in items if isinstance(one, ismrmrd.Waveform)] == [WAVEFORM]


def test_a_recording_is_sent_as_it_is_unless_another_recipe_is_asked_for(tmp_path: Path) -> None:
    stream = serialized(acquisition(0))
    path = recorded(tmp_path, stream)
    assert b"".join(stream_of(path)[1]) == stream
    again = b"".join(stream_of(path, "sense")[1])
    assert again[1026:] == stream[1026:]
    assert again[2:8] == b"sense\0"


FOREIGN = {
    "ge_scanarchive_not_mrd.h5": "not an ISMRMRD one",
    "gre_b0mapping_hashed_df63f.h5": "236 acquisitions, and none of them has a sample",
    "spiralout_fatsat_pypulseq_3TPrisma.h5": "images, without raw data",
}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_files_are_refused_in_one_sentence(shared_data: Path, name: str) -> None:
    with pytest.raises(UnreadableFile, match=FOREIGN[name]):
        read_scan(shared_data / "mrd" / "foreign" / name)


def test_a_file_without_acquisitions_is_refused(tmp_path: Path) -> None:
    path = h5(tmp_path, acquisition(0))
    with ismrmrd.Dataset(str(path)) as file:
        del file._dataset["data"]  # noqa: SLF001 - the package has no way to remove
    with pytest.raises(UnreadableFile, match="holds no acquisitions"):
        read_scan(path)


@pytest.mark.parametrize("kept", [0, 7, 100, 3000])
def test_a_truncated_file_is_refused(tmp_path: Path, kept: int) -> None:
    path = h5(tmp_path, *(acquisition(line) for line in range(20)))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UnreadableFile, match=r"damaged|neither"):
        read_scan(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="No such file"):
        read_scan(tmp_path / "none.h5")
