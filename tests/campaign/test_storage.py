"""A disk that fills up, and a database that is busy: before, during and after a scan."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.jobs import database
from gateway.jobs.database import writing
from gateway.model.scan import ScanState
from tests.campaign.checker import check
from tests.campaign.site import Scanner, put_in_order, spool
from tests.campaign.test_kill import stream
from tests.campaign.test_worker import wait_until
from tests.test_intake import Site

PAGE = 4096
DISK_BYTES = 4 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder whose spool is a disk of 4 MiB of its own; the database is elsewhere."""
    (tmp_path / "spool").mkdir()
    mount = ["/bin/mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(tmp_path / "spool")]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("only root can mount a small disk")
    yield tmp_path
    subprocess.run(["/bin/umount", tmp_path / "spool"], check=True)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    site.spool = spool(tmp_path)
    site.listener.start()
    yield site
    site.listener.stop(grace_s=0.1)


def fill(folder: Path, left_bytes: int) -> Path:
    """Fill a disk up to so many bytes."""
    free = os.statvfs(folder).f_bavail * PAGE
    filler = folder / "filler"
    filler.write_bytes(bytes(free - left_bytes))
    return filler


def send(site: Site, *streams: bytes) -> Scanner:
    scanner = Scanner(list(streams), lambda _n: None)
    scanner.send_all(site.listener.port)
    return scanner


def test_a_full_disk_refuses_a_scan_before_it_begins(small_disk: Path, site: Site) -> None:
    fill(small_disk / "spool", DISK_BYTES // 50)
    scanner = send(site, stream(1))
    assert not scanner.acknowledged
    assert "NOT STORED: the disk is 98 % full" in scanner.texts[0]
    assert not list(small_disk.glob("spool/*/*"))
    assert site.queries.scans() == []


@pytest.mark.parametrize("moment", ["during", "at the seal"])
def test_a_disk_that_fills_up_acknowledges_nothing_and_goes_on_when_there_is_room(
    small_disk: Path, site: Site, moment: str
) -> None:
    first = stream(1, n_readouts=300)
    whole = -(-len(first) // PAGE) * PAGE
    filler = fill(small_disk / "spool", whole - (PAGE if moment == "at the seal" else whole // 2) + PAGE)
    scanner = send(site, first)
    assert not scanner.acknowledged
    assert "No space left" in scanner.texts[0]
    wait_until(lambda: [scan.state for scan in site.queries.scans()] == [ScanState.INCOMPLETE])
    assert site.queries.scans()[0].reason.startswith("not stored: ")

    filler.unlink()
    scanner.streams = [stream(2)]
    scanner.send_all(site.listener.port)
    assert scanner.acknowledged == [stream(2)]
    engine = put_in_order(small_disk)
    check(spool(small_disk), engine, sent=scanner.sent, acknowledged=scanner.acknowledged)
    kept = {scan.state for scan in site.queries.scans()}
    assert kept == ({ScanState.COMPLETE} if moment == "at the seal" else {ScanState.COMPLETE, ScanState.INCOMPLETE})
    engine.dispose()


def test_a_scan_lands_while_the_database_is_busy_and_is_acknowledged_when_it_is_free(
    site: Site, tmp_path: Path
) -> None:
    content = stream(1)
    scanner = Scanner([content], lambda _n: None)
    with writing(put_in_order(tmp_path)):
        sending = threading.Thread(target=scanner.send_all, args=(site.listener.port,))
        sending.start()
        wait_until(lambda: [path.stat().st_size for path in tmp_path.glob("spool/*/*.mrd*")] == [len(content)])
        assert not scanner.acknowledged
    sending.join()
    assert scanner.acknowledged == [content]
    assert [scan.state for scan in site.queries.scans()] == [ScanState.COMPLETE]


LOCKS = """
import sqlite3, sys, threading
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
threading.Event().wait(float(sys.argv[2]))
print("free", flush=True)
connection.execute("COMMIT")
"""
LOCKED_S = float(os.environ.get("GATEWAY_LOCKED_S", "1"))
"""What stands for the minute of which we promise to outlast it; 60 makes it a real one."""


def test_a_minute_of_a_locked_database_delays_the_answer_and_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert database.SQLITE_BUSY_MS / 1000 >= 1.5 * 60, "we wait half as long again as a minute"
    monkeypatch.setattr(database, "SQLITE_BUSY_MS", int(1.5 * 1000 * LOCKED_S))
    site = Site(tmp_path)
    site.listener.start()
    content = stream(1)
    scanner = Scanner([content], lambda _n: None, patience_s=2 * LOCKED_S + 20)
    call = [sys.executable, "-c", LOCKS, str(tmp_path / "gateway.db"), str(LOCKED_S)]
    with subprocess.Popen(call, stdout=subprocess.PIPE, text=True) as another:  # as a backup or a shell would be
        assert another.stdout is not None
        assert another.stdout.readline() == "locked\n"
        scanner.send_all(site.listener.port)
        assert another.stdout.readline() == "free\n"
    site.listener.stop()
    assert scanner.acknowledged == [content]
    assert [scan.state for scan in site.queries.scans()] == [ScanState.COMPLETE]


def test_a_database_that_stays_busy_refuses_cleanly_and_the_scan_is_found_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "SQLITE_BUSY_MS", 100)
    site = Site(tmp_path)
    site.listener.start()
    with writing(put_in_order(tmp_path)):
        scanner = send(site, stream(1))
    site.listener.stop()
    assert not scanner.acknowledged
    assert "NOT STORED: the database did not take it" in scanner.texts[0]
    engine = put_in_order(tmp_path)
    check(site.spool, engine, sent=scanner.sent, acknowledged=[])
    assert [scan.state for scan in site.queries.scans()] == [ScanState.COMPLETE]
    engine.dispose()
