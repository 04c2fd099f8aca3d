"""What follows the writer must hide no fault of the disk."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

from gateway.model.errors import StorageFault
from gateway.model.ids import RecordingId
from gateway.spool.recording import SyncPolicy
from gateway.spool.spool import Spool
from gateway.spool.syncs import Syncs


@pytest.mark.parametrize("moment", ["next", "wait"])
def test_a_sync_that_fails_behind_is_told_at_the_next_one_and_at_the_end(moment: str) -> None:
    reading, writing = os.pipe()  # a pipe cannot be synced
    syncs = Syncs(writing)
    syncs.begin()
    with pytest.raises(OSError, match="Invalid argument"):
        syncs.begin() if moment == "next" else syncs.wait()
    syncs.stop()
    os.close(reading)
    os.close(writing)


def test_a_recording_whose_sync_has_failed_is_never_sealed(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", SyncPolicy(every_bytes=1))
    with spool.create(RecordingId("0" * 32), date(2026, 3, 1)) as writer:
        reading, pipe = os.pipe()
        os.dup2(pipe, writer._file)  # noqa: SLF001 - the file fails under us
        writer.write(memoryview(b"some"))
        with pytest.raises(StorageFault, match="cannot be written: Invalid argument"):
            writer.write(memoryview(b"more"))
        os.close(reading)
        os.close(pipe)
