"""What follows the writer must give what would have come without it, and hide no fault of the disk."""

from __future__ import annotations

import hashlib
import os
from datetime import date
from pathlib import Path
from random import Random

import pytest

from gateway.model.errors import StorageFault
from gateway.model.ids import RecordingId
from gateway.spool.behind import PIECES_BEHIND, SMALL_BYTES, Digest, Syncs
from gateway.spool.recording import SyncPolicy
from gateway.spool.spool import Spool


def test_the_hash_is_that_of_the_pieces_in_their_order_however_they_are_cut_and_reused() -> None:
    random = Random(3)  # noqa: S311 - lengths, not secrets
    digest, whole, buffer = Digest(), hashlib.sha256(), bytearray(4 * SMALL_BYTES)
    for _ in range(5 * PIECES_BEHIND):
        n = random.choice([1, SMALL_BYTES - 1, SMALL_BYTES, 4 * SMALL_BYTES])
        buffer[:n] = random.randbytes(n)  # the buffer of the piece before, as the listener's is
        digest.take(memoryview(buffer)[:n])
        whole.update(buffer[:n])
    assert digest.hexdigest() == whole.hexdigest()
    digest.stop()


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
