from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from gateway.model.errors import StorageFault
from gateway.model.ids import RecordingId
from gateway.spool.room import Room
from gateway.spool.spool import Spool
from tests.spool.test_recording import seal_of

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


def sealed(spool: Spool, number: int, n_bytes: int) -> None:
    """A recording of so many bytes."""
    with spool.create(RecordingId(f"{number:032x}"), date(2026, 3, 1)) as writer:
        writer.write(memoryview(bytes(n_bytes)))
        writer.seal(seal_of(writer.digest(), writer.recording))


@dataclass(frozen=True, kw_only=True)
class Disk:
    """A disk that holds nothing but the recordings, and so many of them."""

    folder: Path
    scans: float = 3.8

    def room(self) -> Room:
        return Room(refuse_percent=100, usage=lambda _folder: self)

    @property
    def used(self) -> int:
        return sum(path.stat().st_size for path in self.folder.glob("*/*.mrd*"))

    @property
    def free(self) -> int:
        return int(self.scans * SCAN_BYTES) - self.used


SCAN_BYTES = 1 << 16


def test_a_scan_is_admitted_only_if_those_that_are_arriving_leave_it_room(tmp_path: Path) -> None:
    sealed(Spool(tmp_path), 1, SCAN_BYTES)
    spool = Spool(tmp_path, room=Disk(folder=tmp_path).room())  # of two such scans
    first = spool.create(RecordingId("a" * 32), date(2026, 3, 1))
    second = spool.create(RecordingId("b" * 32), date(2026, 3, 1))
    with pytest.raises(StorageFault, match=r"will be 105 % with the scans that are arriving and this one"):
        spool.create(ID, date(2026, 3, 1))
    assert len(list(tmp_path.glob("*/*.part"))) == 2, "who was refused leaves nothing"
    first.discard()
    third = spool.create(ID, date(2026, 3, 1))  # the room of one that is gone is there again
    second.discard()
    third.discard()


def test_what_an_open_scan_has_written_is_not_reckoned_twice(tmp_path: Path) -> None:
    sealed(Spool(tmp_path), 1, SCAN_BYTES)
    spool = Spool(tmp_path, room=Disk(folder=tmp_path).room())
    with spool.create(RecordingId("a" * 32), date(2026, 3, 1)) as first:
        first.write(memoryview(bytes(SCAN_BYTES)))
        with spool.create(ID, date(2026, 3, 1)):
            pass


def test_a_larger_scan_than_before_raises_what_is_reckoned(tmp_path: Path) -> None:
    spool = Spool(tmp_path, room=Disk(folder=tmp_path).room())
    sealed(spool, 1, 1000)
    sealed(spool, 2, 2 * SCAN_BYTES)
    with pytest.raises(StorageFault, match="if they are as large as others were"):
        spool.create(ID, date(2026, 3, 1))
