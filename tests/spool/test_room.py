from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest

from gateway.model.errors import StorageFault
from gateway.model.ids import RecordingId
from gateway.spool.room import Room
from gateway.spool.spool import Spool

ID = RecordingId("0123456789abcdef0123456789abcdef")


def test_how_full_a_disk_is_counts_what_anybody_may_use(tmp_path: Path) -> None:
    disk = shutil.disk_usage(tmp_path)
    assert Room().used_percent(tmp_path) == pytest.approx(100 * disk.used / (disk.used + disk.free), abs=1)


def test_a_full_disk_takes_no_recording_and_says_how_full_it_is(tmp_path: Path) -> None:
    spool = Spool(tmp_path, room=Room(warn_percent=1e-6, refuse_percent=1e-6))
    with pytest.raises(StorageFault, match=r"the disk is \d+ % full; from 1e-06 % on nothing is taken"):
        spool.create(ID, date(2026, 3, 1))
    assert list(tmp_path.iterdir()) == []
    assert spool.is_scarce()


def test_a_disk_with_room_takes_it(tmp_path: Path) -> None:
    spool = Spool(tmp_path, room=Room(warn_percent=100, refuse_percent=100))
    with spool.create(ID, date(2026, 3, 1)) as writer:
        writer.discard()
    assert not spool.is_scarce()
