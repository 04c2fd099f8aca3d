"""Workers that are stopped, hang or crash: an attempt is lost, never a job, and no job has two results."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.jobs.clock import utc_now
from gateway.jobs.queries import Queries
from gateway.jobs.reconstructions import JobQueue
from gateway.jobs.scans import ScanStore
from gateway.model.job import JobState
from tests.campaign.site import put_in_order
from tests.campaign.test_kill import line, tell
from tests.campaign.worker import SERIES, TERMS
from tests.jobs.conftest import seal

PATIENCE_S = 30


class Bench:
    """A database with one job, and workers on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        engine = put_in_order(folder)
        ScanStore(engine, utc_now).finish(seal(1), "key")
        self.jobs = JobQueue(engine, utc_now, TERMS)
        self.queries = Queries(engine)

    @contextmanager
    def worker(self, owner: str, work: str, *limit: str) -> Iterator[subprocess.Popen[str]]:
        """A worker that has claimed the job."""
        command = [sys.executable, "-m", "tests.campaign.worker", str(self.folder), owner, work, *limit]
        root = Path(__file__).resolve().parents[2]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(command, cwd=root, text=True, **pipes) as process:  # type: ignore[call-overload]
            try:
                assert line(process) == ["claimed"]
                yield process
            finally:
                process.kill()

    @property
    def state(self) -> JobState:
        return self.queries.job(1).state


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def wait_until(true: Callable[[], bool]) -> None:
    deadline, pause = time.monotonic() + PATIENCE_S, threading.Event()
    while not true():
        assert time.monotonic() < deadline
        pause.wait(0.02)


def test_a_worker_that_was_stopped_and_goes_on_writes_nothing_any_more(bench: Bench) -> None:
    with bench.worker("first", "wait") as stopped:
        os.kill(stopped.pid, signal.SIGSTOP)
        wait_until(lambda: bench.jobs.reap() == 1)
        second = bench.jobs.claim("second")
        assert second is not None
        bench.jobs.succeed(second, [SERIES], ["pacs"])
        os.kill(stopped.pid, signal.SIGCONT)
        tell(stopped, "go on")
        assert line(stopped) == ["fenced"]
        assert stopped.wait(PATIENCE_S) == 0
    assert bench.state is JobState.DONE
    assert len(bench.queries.job(1).deliveries) == 1


def test_a_worker_that_lives_keeps_its_job_longer_than_a_lease(bench: Bench) -> None:
    with bench.worker("first", "wait") as process:
        until = time.monotonic() + 2 * TERMS.lease_s
        wait_until(lambda: bench.jobs.reap() > 0 or time.monotonic() > until)
        tell(process, "go on")
        assert process.wait(PATIENCE_S) == 0
    assert bench.state is JobState.DONE


@pytest.mark.parametrize(
    ("work", "limit", "end"),
    [("crash", [], -signal.SIGSEGV), ("hang", ["0.3"], -signal.SIGALRM)],
)
def test_a_crash_costs_an_attempt_and_the_third_one_the_job(
    bench: Bench, work: str, limit: list[str], end: int
) -> None:
    states = []
    for number in range(TERMS.max_crashes):
        with bench.worker(f"w{number}", work, *limit) as process:
            assert process.wait(PATIENCE_S) == end
        assert bench.jobs.reap(f"w{number}") == 1
        states.append(bench.state)
    assert states == [JobState.QUEUED, JobState.QUEUED, JobState.QUARANTINED]
    assert bench.queries.job(1).attempt == TERMS.max_crashes
