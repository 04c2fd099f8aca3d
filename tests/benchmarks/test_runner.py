"""The runner's arithmetic, on a clock that we turn."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.leash import leashed
from benchmarks.registry import BENCHMARKS, Peers, benchmark
from benchmarks.runner import machine, run, table
from tests.campaign.test_worker import wait_until


class Turned:
    """A clock that only the work moves."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.calls: list[str] = []

    def __call__(self) -> float:
        return self.now_s

    def work(self, name: str, *, takes_s: float) -> None:
        self.calls.append(name)
        self.now_s += takes_s


@pytest.fixture
def clock() -> Iterator[Turned]:
    """A clock, and on it a benchmark whose peers take 2 ms and 5 ms."""
    turned = Turned()

    @benchmark
    def known() -> Iterator[Peers]:
        yield {
            "ours": lambda: turned.work("ours", takes_s=0.002),
            "theirs": lambda: turned.work("theirs", takes_s=0.005),
        }
        turned.calls.append("cleared away")

    yield turned
    del BENCHMARKS["known"]


def test_each_peer_is_warmed_up_once_and_then_timed_in_turns(clock: Turned) -> None:
    results = run("known", 3, clock=clock)
    assert clock.calls == ["ours", "theirs"] * 4 + ["cleared away"]
    assert [result.runs_s for result in results] == [pytest.approx((0.002,) * 3), pytest.approx((0.005,) * 3)]


def test_the_ratio_is_to_the_first_peer(clock: Turned) -> None:
    assert [result.ratio for result in run("known", 3, clock=clock)] == pytest.approx([1.0, 2.5])


def test_the_table_has_a_line_for_each_peer(clock: Turned) -> None:
    lines = table(run("known", 1, clock=clock)).splitlines()
    assert lines[2].split() == ["known", "theirs", "5.00", "5.00", "5.00", "2.50"]


def test_the_machine_is_named() -> None:
    assert all(machine().values())


STARTS = "import subprocess, sys; subprocess.run(sys.argv[1:])"


def test_what_a_benchmark_has_started_ends_when_it_is_killed() -> None:
    command = [sys.executable, "-c", STARTS, *leashed(["/bin/sh", "-c", "echo $$; exec sleep 600"])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        started = Path("/proc") / parent.stdout.readline().strip()
        parent.kill()
    wait_until(lambda: not started.exists() or "Z" in (started / "stat").read_text().split())
