"""End to end: from the last byte of a scan sent to the last instance stored in the PACS."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from pathlib import Path

from benchmarks.leash import leashed
from benchmarks.registry import Peers, benchmark
from gateway.demo import write_configuration
from gateway.dicom.scp import StoreScp
from gateway.jobs.database import open_database
from gateway.jobs.queries import Queries
from gateway.model.errors import PeerUnreachable
from gateway.model.zyx import Zyx
from gateway.mrd.client import send_session
from gateway.mrd.header import write_header
from gateway.mrd.stream import RecordedSession, write_session
from gateway.recon.phantom import PhantomScan, head_phantom
from gateway.settings import load_settings

LOOPBACK = "127.0.0.1"
LOOK_EVERY_S = 0.005


@benchmark
def end_to_end() -> Iterator[Peers]:
    """12 slices 192x192, 8 coils (57 MB): listener, spool, worker, outbox, C-STORE to an SCP of our own."""
    with tempfile.TemporaryDirectory() as folder, StoreScp("DEMOPACS", LOOPBACK, 0, Path(folder, "pacs")) as pacs:
        config = write_configuration(Path(folder), pacs.port)
        settings = load_settings(config)
        command = leashed([sys.executable, "-m", "gateway", "run", "--config", str(config)])
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as gateway:  # noqa: S603 - our own
            queries = Queries(open_database(settings.database_url.get_secret_value()))
            one_scan = _sender(settings.listener.port, queries)
            try:
                yield {"gateway": one_scan}
            finally:
                gateway.terminate()


def _sender(port: int, queries: Queries) -> Callable[[], float]:
    """Make a function that sends another scan and says how long it took from its last byte to its last instance."""
    number = count(1)

    def one_scan() -> float:
        job = next(number)
        acquisition, header = head_phantom(PhantomScan(matrix=Zyx(z=1, y=192, x=192), seed=os.getpid() + job))
        scan = RecordedSession(header_xml=write_header(header), recipe_asked="", acquisition=acquisition)
        stream = [b"".join(write_session(scan))]
        last_byte = 0.0

        def sent(_n: int) -> None:
            nonlocal last_byte
            last_byte = time.perf_counter()

        _send_when_up(stream, port, sent)
        while not queries.job(job).arrived:
            time.sleep(LOOK_EVERY_S)
        return time.perf_counter() - last_byte

    return one_scan


def _send_when_up(stream: Iterable[bytes], port: int, on_sent: Callable[[int], None]) -> None:
    """Send, and wait for the gateway that has only just been started."""
    for _ in range(600):
        try:
            send_session(stream, LOOPBACK, port, on_sent=on_sent)
        except PeerUnreachable:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the gateway did not come up")
