"""The invariants of the gateway, read off the disk and the database of a site after whatever has happened to it."""

from __future__ import annotations

import gc
import threading
from collections.abc import Collection, Sequence
from pathlib import Path

from blake3 import blake3
from sqlalchemy import Engine, text

from gateway.jobs.database import reading
from gateway.jobs.queries import Queries
from gateway.model.job import JobState
from gateway.model.scan import ScanState
from gateway.spool.recording import PART_SUFFIX, SEAL_SUFFIX, SUFFIX
from gateway.spool.seal import read_seal
from gateway.spool.spool import Spool, seal_path

EVERYTHING = 10_000


def check(spool: Spool, engine: Engine, *, sent: Sequence[bytes], acknowledged: Collection[bytes]) -> None:
    """Assert what must hold after recovery, for scans that all differ.

    I1: what was acknowledged is on the disk byte for byte, and has one job. I2: every scan is in a state that says why,
    and none is arriving any more. I4: nothing half-written has a final name. And what was not acknowledged is there
    from its first byte on, or not at all.
    """
    queries = Queries(engine)
    with reading(engine) as connection:
        if engine.dialect.name == "sqlite":
            assert connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"
    scans, jobs = queries.scans(EVERYTHING), queries.jobs(EVERYTHING)
    kept = {spool.open(scan.recording).read_bytes(): scan for scan in scans if scan.recording is not None}

    for stream in acknowledged:
        scan = kept[stream]
        assert scan.state is ScanState.COMPLETE
        assert scan.digest == f"blake3:{blake3(stream).hexdigest()}"
        assert [job.state for job in jobs if job.scan.id == scan.id] == [JobState.QUEUED]

    assert all(any(stream.startswith(content) for stream in sent) for content in kept)
    assert len({job.scan.id for job in jobs}) == len(jobs)
    for scan in scans:
        assert scan.state is not ScanState.RECEIVING
        assert scan.reason or scan.state is ScanState.COMPLETE

    names = {path.name for path in spool.folder.glob("*/*")}
    assert not [name for name in names if name.endswith(PART_SUFFIX)]
    for name in names:
        assert name.endswith((SUFFIX, SEAL_SUFFIX)), name
    for path in spool.folder.glob(f"*/*{SUFFIX}"):
        assert read_seal(seal_path(path)).digest == f"blake3:{blake3(path.read_bytes()).hexdigest()}"


def footprint() -> tuple[int, int]:
    """I6: what we must not have more of afterwards: open files and threads; what nobody holds is given back."""
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()
