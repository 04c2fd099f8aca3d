from __future__ import annotations

import os
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path

from gateway.supervisor import Child, supervise

TELLS_ITS_NAME = """
import pathlib, sys, time
folder = pathlib.Path(sys.argv[1])
folder.joinpath(sys.argv[3]).write_text(str(__import__("os").getpid()))
sys.stdin.read()
"""


class Site:
    """A child that writes its process id into a file named by its owner name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.reaped: list[str] = []
        self.interrupted: list[str] = []
        self.taken_back = threading.Semaphore(0)
        self.child = Child(
            role="tester",
            command=[sys.executable, "-c", TELLS_ITS_NAME, str(folder)],
            reap=self._reap,
            interrupt=self._interrupt,
        )

    def _reap(self, owner: str) -> int:
        self.reaped.append(owner)
        self.taken_back.release()
        return 0

    def _interrupt(self, owner: str) -> int:
        self.interrupted.append(owner)
        return 1

    def pids(self) -> dict[str, int]:
        written = {path.name: path.read_text() for path in self.folder.iterdir()}
        return {name: int(text) for name, text in written.items() if text}

    def wait_for(self, n: int) -> dict[str, int]:
        ended = threading.Event()
        for _ in range(600):
            if len(self.pids()) >= n:
                return self.pids()
            ended.wait(0.05)
        raise AssertionError(self.pids())


def test_a_child_that_dies_is_started_again_under_another_name_and_its_work_is_taken_back(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with supervise([site.child], threading.Event()):
        ((name, pid),) = site.wait_for(1).items()
        os.kill(pid, signal.SIGKILL)
        assert site.taken_back.acquire(timeout=20)
        assert site.reaped == [name]
        assert len(site.wait_for(2)) == 2


def test_children_end_when_the_block_ends(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with supervise([site.child], threading.Event()):
        (pid,) = site.wait_for(1).values()
    assert not Path(f"/proc/{pid}").exists()
    assert (site.reaped, site.interrupted) == ([], [])


DOES_NOT_LISTEN = TELLS_ITS_NAME.replace("sys.stdin.read()", "time.sleep(3600)")


def test_a_child_that_does_not_end_in_time_is_killed_which_is_no_crash(tmp_path: Path) -> None:
    site = Site(tmp_path)
    command = [sys.executable, "-c", DOES_NOT_LISTEN, str(tmp_path)]
    with supervise([replace(site.child, command=command, grace_s=0.05)], threading.Event()):
        ((name, pid),) = site.wait_for(1).items()
    assert not Path(f"/proc/{pid}").exists()
    assert (site.reaped, site.interrupted) == ([], [name])


GROWS = """
import sys
taken = bytearray(400 << 20)
sys.stdin.read()
"""


def test_a_child_that_takes_too_much_memory_is_killed_and_its_work_taken_back() -> None:
    taken_back = threading.Event()

    def reap(_owner: str) -> int:
        taken_back.set()
        return 1

    child = Child(
        role="t", command=[sys.executable, "-c", GROWS], reap=reap, interrupt=reap, max_memory_bytes=200 << 20
    )
    with supervise([child], threading.Event()):
        assert taken_back.wait(20)
