"""Clients of others: the `ismrmrd` package speaking to our port by itself, and scans that the C++ library has made."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
from pathlib import Path

import ismrmrd
import numpy as np
import pytest
from ismrmrd.serialization import ConfigFile, ConfigText, ProtocolDeserializer, ProtocolSerializer

from gateway.model.scan import ScanState
from gateway.mrd.client import send_session
from gateway.mrd.files import stream_of
from tests.mrd.streams import HEADER, acquisition
from tests.mrd.test_listener import HOST, SCAN, Memory, answer_of, listening
from tests.peers import PROGRAMS

WAVEFORM = ismrmrd.Waveform.from_array(np.arange(12, dtype=np.uint32).reshape(2, 6))


@pytest.mark.parametrize("config", [ConfigFile("default"), ConfigText("<configuration/>")])
def test_the_serializer_of_ismrmrd_sends_a_scan_and_its_deserializer_reads_our_answer(config: object) -> None:
    with listening() as sessions, sessions.connect() as connection, connection.makefile("rwb") as stream:
        serializer = ProtocolSerializer(stream)
        header = ismrmrd.xsd.CreateFromDocument(HEADER)
        for item in (config, header, WAVEFORM, *map(acquisition, range(5)), "a word", acquisition(5)):
            serializer.serialize(item)
        serializer.close()
        stream.flush()
        said = list(ProtocolDeserializer(stream).deserialize())  # ends at our CLOSE, or raises
        verdict = sessions.recorders[0].wait()
    assert said == ["COMPLETE "]
    assert (verdict.state, verdict.n_acquisitions, verdict.n_waveforms) == (ScanState.COMPLETE, 6, 1)


@pytest.mark.peer("ismrmrd_generate_cartesian_shepp_logan")
@pytest.mark.parametrize("options", [(), ("-r", "2", "-C"), ("-a", "2", "-w", "16", "-k")])
def test_scans_that_the_cpp_library_generates_are_taken_whole(tmp_path: Path, options: tuple[str, ...]) -> None:
    path = tmp_path / "phantom.h5"
    program = PROGRAMS["ismrmrd_generate_cartesian_shepp_logan"].path
    subprocess.run([program, "-m", "64", "-c", "4", "-o", path, *options], check=True, capture_output=True)
    with ismrmrd.Dataset(str(path), create_if_needed=False) as dataset:
        n_readouts = dataset.number_of_acquisitions()
    with listening() as sessions:
        send_session(stream_of(path)[1], HOST, sessions.listener.port, on_sent=lambda _n: None)
        verdict = sessions.recorders[0].wait()
    assert (verdict.state, verdict.n_acquisitions) == (ScanState.COMPLETE, n_readouts)


def test_a_burst_of_connections_all_get_an_answer() -> None:
    gate, answers = threading.Barrier(32), []

    class Slow(Memory):
        """Keeps its session until everybody has come."""

        def begin(self) -> None:
            come.wait(20)

    come = threading.Event()

    def connect(port: int) -> None:
        gate.wait(20)
        with socket.create_connection((HOST, port), 20) as connection:
            with contextlib.suppress(OSError):  # refused while it was sending; the answer is there all the same
                connection.sendall(SCAN)
            answers.append(answer_of(connection))
            if len(answers) == 16:
                come.set()

    with listening(Slow, sessions=16, sessions_per_address=16) as sessions:
        threads = [threading.Thread(target=connect, args=(sessions.listener.port,)) for _ in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(answers) == 32
    assert sum(closed for _, closed in answers) == 16
    assert all("busy: 16 sessions" in texts[0] for texts, closed in answers if not closed)
