"""Taking scans in over the loopback: everything stored, synced and committed before CLOSE is answered."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import ismrmrd
import numpy as np
from ismrmrd.serialization import ProtocolDeserializer

from benchmarks.registry import Peers, benchmark
from gateway.intake import Reception
from gateway.jobs.clock import utc_now
from gateway.jobs.database import open_database, upgrade
from gateway.jobs.scans import ScanStore
from gateway.model.readout import ACQUISITION_HEADER, Readouts
from gateway.mrd import messages
from gateway.mrd.listener import Listener, SessionLimits
from gateway.mrd.stream import RecordedSession, write_session
from gateway.spool.spool import Spool

HOST = "127.0.0.1"
STREAM = "stream.mrd"
SPAWN = multiprocessing.get_context("spawn")
HEADER = b"""<?xml version="1.0"?>
<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD">
 <measurementInformation><patientPosition>HFS</patientPosition></measurementInformation>
 <experimentalConditions><H1resonanceFrequency_Hz>63500000</H1resonanceFrequency_Hz></experimentalConditions>
</ismrmrdHeader>"""

Send = Callable[[int], tuple[float, float]]
"""Send the scan to a port; seconds from connecting to CLOSE, and from our last byte to CLOSE, of the slowest sender."""


def scan_of(n: int, *, channels: int, samples: int) -> RecordedSession:
    """Make a scan of ``n`` readouts of noise; the samples are repeated, for nobody looks at them."""
    heads = np.zeros(n, ACQUISITION_HEADER)
    heads["number_of_samples"], heads["active_channels"] = samples, channels
    heads["scan_counter"] = np.arange(n)
    noise = np.random.default_rng(1).standard_normal((1, channels, samples, 2), np.float32).view(np.complex64)[..., 0]
    readouts = Readouts(heads, np.broadcast_to(noise, (n, channels, samples)), np.zeros((n, samples, 0), np.float32))
    return RecordedSession(header_xml=HEADER, recipe_asked="", acquisition=(readouts,))


LARGE = {"channels": 32, "samples": 512}
"""131,414 bytes on the wire."""
SMALL = {"channels": 4, "samples": 128}
"""4,438 bytes on the wire."""


@benchmark
def ingest_131_kb() -> Iterator[Peers]:
    """Take 2,000 readouts of 131 kB (263 MB), beside storing the bytes unread."""
    with _scene(scan_of(2_000, **LARGE)) as (folder, send), _gateway(folder) as ours, _storing(folder, _write) as bare:
        yield {"gateway": lambda: send(ours)[0], "recv + write + fsync": lambda: send(bare)[0]}


@benchmark
def ingest_4_kb() -> Iterator[Peers]:
    """Take 50,000 readouts of 4.4 kB (222 MB), beside storing the bytes unread."""
    with _scene(scan_of(50_000, **SMALL)) as (folder, send), _gateway(folder) as ours, _storing(folder, _write) as bare:
        yield {"gateway": lambda: send(ours)[0], "recv + write + fsync": lambda: send(bare)[0]}


@benchmark
def ingest_hdf5() -> Iterator[Peers]:
    """Take 500 readouts of 131 kB (66 MB), beside appending each to an HDF5 file with the `ismrmrd` package."""
    with _scene(scan_of(500, **LARGE)) as (folder, send), _gateway(folder) as ours, _storing(folder, _append) as theirs:
        yield {"gateway": lambda: send(ours)[0], "ismrmrd HDF5 append": lambda: send(theirs)[0]}


@benchmark
def close_of_four() -> Iterator[Peers]:
    """Take four scans of 66 MB at once: how long the slowest of the four waits for its CLOSE after its last byte."""
    scan = scan_of(500, **LARGE)
    with _scene(scan, senders=4) as (folder, send), _gateway(folder) as ours, _storing(folder, _write) as bare:
        yield {"gateway": lambda: send(ours)[1], "recv + write + fsync": lambda: send(bare)[1]}


@contextmanager
def _scene(scan: RecordedSession, senders: int = 1) -> Iterator[tuple[Path, Send]]:
    """Make a folder, and scanners in processes of their own; what a run has stored is removed after it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (folder / STREAM).open("wb") as file:
            file.writelines(write_session(scan))
        pipes = [_scanner_process(folder / STREAM) for _ in range(senders)]

        def send(port: int) -> tuple[float, float]:
            for pipe in pipes:
                pipe.send(port)
            whole, close = zip(*(pipe.recv() for pipe in pipes), strict=True)
            for stored in itertools.chain(folder.glob("spool/*/*"), folder.glob("stored-*")):
                stored.unlink()
            return max(whole), max(close)

        yield folder, send
        for pipe in pipes:
            pipe.send(0)


def _scanner_process(stream: Path) -> Connection:
    ours, theirs = SPAWN.Pipe()
    SPAWN.Process(target=scanner, args=(theirs, stream), daemon=True).start()
    return ours


def scanner(pipe: Connection, stream: Path) -> None:
    """Send the stream to each port that is named, until 0 is; say how long it took, and its CLOSE."""
    while port := pipe.recv():
        begun = time.perf_counter()
        with socket.create_connection((HOST, port)) as connection, stream.open("rb") as file:
            connection.sendfile(file)
            sent = time.perf_counter()
            answer = b"".join(iter(lambda: connection.recv(4096), b""))
            closed = time.perf_counter()
        pipe.send((closed - begun, closed - sent) if answer.endswith(messages.close()) else answer)


@contextmanager
def _gateway(folder: Path) -> Iterator[int]:
    engine = open_database(f"sqlite:///{folder}/gateway.db")
    upgrade(engine)
    spool, scans = Spool(folder / "spool"), ScanStore(engine, utc_now)

    def receive(peer: str) -> Reception:
        return Reception(spool=spool, scans=scans, clock=utc_now, peer=peer, started_at=utc_now())

    listener = Listener(HOST, 0, limits=SessionLimits(), open_recorder=receive)
    listener.start()
    try:
        yield listener.port
    finally:
        listener.stop()
        engine.dispose()


@contextmanager
def _storing(folder: Path, store: Callable[[socket.socket, Path], None]) -> Iterator[int]:
    """Serve sessions by another way of storing them, a thread each, until the block ends."""
    door = socket.create_server((HOST, 0), backlog=16)
    numbers = itertools.count()

    def serve(connection: socket.socket) -> None:
        with connection:
            store(connection, folder / f"stored-{next(numbers)}")
            connection.sendall(messages.close())

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(door.accept()[0],)).start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield door.getsockname()[1]
    finally:
        door.shutdown(socket.SHUT_RDWR)
        accepting.join()
        door.close()


def _write(connection: socket.socket, path: Path) -> None:
    """Store the bytes unread, so many as are known to come: what any receiver must do at least."""
    buffer, left = memoryview(bytearray(1 << 20)), (path.parent / STREAM).stat().st_size
    with path.open("wb", buffering=0) as file:
        while left:
            n = connection.recv_into(buffer)
            left -= file.write(buffer[:n]) or 0
        os.fsync(file.fileno())


def _append(connection: socket.socket, path: Path) -> None:
    """Store each readout as it comes, as the servers do that use the `ismrmrd` package."""
    with connection.makefile("rb") as stream, ismrmrd.Dataset(str(path), create_if_needed=True) as dataset:
        dataset.write_xml_header(HEADER)
        for item in ProtocolDeserializer(stream).deserialize():
            if isinstance(item, ismrmrd.Acquisition):
                dataset.append_acquisition(item)
