"""A listener that is killed: at a hundred random moments, and at every call that makes something durable."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
import pytest

from gateway.model.readout import ACQUISITION_HEADER, Readouts
from gateway.mrd.stream import RecordedSession, write_session
from tests.campaign.checker import check, footprint
from tests.campaign.site import Scanner, put_in_order, spool
from tests.mrd.streams import HEADER

SITES, ROUNDS = 10, 10
"""A hundred deaths; all that a site has ever acknowledged is read again after each."""
SCANNERS, SCANS_EACH = 3, 2


def stream(number: int, *, n_readouts: int = 40) -> bytes:
    """A scan of which no other begins like it."""
    heads = np.zeros(n_readouts, ACQUISITION_HEADER)
    heads["number_of_samples"], heads["active_channels"], heads["measurement_uid"] = 256, 4, number
    samples = np.full((n_readouts, 4, 256), number, np.complex64)
    readouts = Readouts(heads, samples, np.zeros((n_readouts, 256, 0), np.float32))
    header = HEADER.replace(b"M1", f"M{number}".encode())
    scan = RecordedSession(header_xml=header, recipe_asked="", acquisition=(readouts,))
    return b"".join(write_session(scan))


def start(*arguments: str, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    command = [*before, sys.executable, "-m", "tests.campaign.site", *arguments]
    root = Path(__file__).resolve().parents[2]
    return subprocess.Popen(
        command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )


def line(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout is not None
    return process.stdout.readline().split()


def tell(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{word}\n")
    process.stdin.flush()


@pytest.fixture(scope="module")
def nursery() -> Iterator[subprocess.Popen[str]]:
    with start() as process:
        yield process


@pytest.mark.parametrize("seed", range(SITES))
def test_a_hundred_deaths_lose_nothing_that_was_acknowledged(
    nursery: subprocess.Popen[str], tmp_path: Path, seed: int
) -> None:
    folder, process = tmp_path, nursery
    random, numbers = Random(seed), iter(range(1, 10**6))  # noqa: S311 - moments, not secrets
    sent: list[bytes] = []
    acknowledged: list[bytes] = []
    streams_of_a_round = SCANNERS * SCANS_EACH * len(stream(0))
    whole_rounds = 0
    before = footprint()
    put_in_order(folder).dispose()
    for _ in range(ROUNDS):
        tell(process, str(folder))
        pid, port = map(int, line(process))
        left = random.randrange(int(1.1 * streams_of_a_round))
        lock = threading.Lock()

        def count(n_bytes: int, pid: int = pid, lock: threading.Lock = lock) -> None:
            nonlocal left
            with lock:
                left, due = left - n_bytes, left > 0 >= left - n_bytes
            if due:
                os.kill(pid, signal.SIGKILL)

        scanners = [Scanner([stream(next(numbers)) for _ in range(SCANS_EACH)], count) for _ in range(SCANNERS)]
        threads = [threading.Thread(target=scanner.send_all, args=(port,)) for scanner in scanners]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if left > 0:
            whole_rounds += 1
            os.kill(pid, signal.SIGKILL)
        assert line(process) == ["gone"]
        sent += [one for scanner in scanners for one in scanner.sent]
        acknowledged += [one for scanner in scanners for one in scanner.acknowledged]
        engine = put_in_order(folder)
        check(spool(folder), engine, sent=sent, acknowledged=acknowledged)
        engine.dispose()
    assert all(now <= then for now, then in zip(footprint(), before, strict=True))
    assert whole_rounds < ROUNDS / 2, "the moments must lie within the scans"
    assert 0 < len(acknowledged) < len(sent)


@pytest.mark.peer("strace")
@pytest.mark.parametrize(("call", "deaths"), [("fsync", 4), ("rename", 2), ("fdatasync", 2)])
def test_a_death_at_every_call_that_makes_something_durable_loses_nothing(
    tmp_path: Path, call: str, deaths: int
) -> None:
    for number in range(1, 100):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        watching = put_in_order(folder)  # as long as somebody has the database open, its log is not made anew
        kill = ("/usr/bin/strace", "-f", "-qq", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}")
        with start(str(folder), before=(*kill, "-o", "/dev/null")) as process:
            scanner = Scanner([stream(number, n_readouts=20)], lambda _n: None)
            scanner.send_all(int(line(process)[0]))
            os.killpg(process.pid, signal.SIGKILL)
        engine = put_in_order(folder)
        check(spool(folder), engine, sent=scanner.sent, acknowledged=scanner.acknowledged)
        engine.dispose()
        watching.dispose()
        if scanner.acknowledged:
            assert number > deaths, "all of these calls must have been the last of some listener"
            return
    pytest.fail("the listener never survived")


@pytest.mark.peer("strace")
@pytest.mark.parametrize(("call", "error"), [("fsync", "EIO"), ("fdatasync", "EIO"), ("rename", "EROFS")])
def test_a_disk_that_fails_once_is_believed(tmp_path: Path, call: str, error: str) -> None:
    put_in_order(tmp_path).dispose()
    fail = ("/usr/bin/strace", "-f", "-qq", "-e", f"trace={call}", "-e", f"inject={call}:error={error}:when=1")
    with start(str(tmp_path), before=(*fail, "-o", "/dev/null")) as process:
        scanner = Scanner([stream(1)], lambda _n: None)
        scanner.send_all(int(line(process)[0]))
        os.killpg(process.pid, signal.SIGKILL)
    assert not scanner.acknowledged
    assert "NOT STORED" in scanner.texts[0]
    engine = put_in_order(tmp_path)
    check(spool(tmp_path), engine, sent=scanner.sent, acknowledged=[])
    engine.dispose()
