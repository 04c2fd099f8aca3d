"""The page as browsers see it: how soon and how heavy the first one is, and what fifty that watch cost."""

from __future__ import annotations

import http.client
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil
from playwright.sync_api import Browser

from benchmarks.leash import leashed
from benchmarks.registry import Peers, benchmark
from gateway.jobs.reconstructions import ClaimedJob
from gateway.stations import open_stations
from tests.peers import LOOPBACK, PROGRAMS
from tests.running import configured
from tests.web.chromium import chromium
from tests.web.scene import FACTS, Scene, morning

N_WATCHERS = 50
WATCHED_S = 20.0
LONGEST_KB = 300

WEIGHT = """() => [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
    .reduce((sum, one) => sum + one.transferSize, 0)"""
LOADED = "() => performance.getEntriesByType('navigation')[0].loadEventEnd"


@benchmark
def first_page() -> Iterator[Peers]:
    """Open the dashboard of a busy morning in a browser that has seen nothing of us: until it is loaded."""
    if not PROGRAMS["chromium"].path.exists():
        yield {}
        return
    with site() as (_, port), chromium() as browser:
        print(f"the first page weighs {_visit(browser, port)[1] / 1000:.0f} kB")
        yield {"dashboard": lambda: _visit(browser, port)[0]}


@benchmark
def fifty_watchers() -> Iterator[Peers]:
    """Fifty dashboards follow a job that makes progress every second: CPU time of the page in each second."""
    with site() as (scene, port):
        yield {"gateway": lambda: _watched(scene, port)}


@contextmanager
def site() -> Iterator[tuple[Scene, int]]:
    """Serve a morning's work from a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        config = configured(Path(folder), {"shelf": {"kind": "folder", "path": "shelf"}})
        stations = open_stations(config)
        scene, port = Scene(stations.jobs.engine), stations.settings.web.port
        morning(scene)
        command = leashed([sys.executable, "-m", "gateway", "web", "--config", str(config)])
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as page:  # noqa: S603 - our own
            try:
                _wait(port)
                yield scene, port
            finally:
                page.terminate()
        stations.jobs.engine.dispose()


def _wait(port: int) -> None:
    """Wait until it answers."""
    for _ in range(600):
        with suppress(OSError), closing(http.client.HTTPConnection(LOOPBACK, port, timeout=5)) as connection:
            connection.request("GET", "/")
            connection.getresponse().read()
            return
        time.sleep(0.1)


def _visit(browser: Browser, port: int) -> tuple[float, float]:
    """Open the page with an empty cache; how long it took (s), and how many bytes came."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"http://{LOOPBACK}:{port}/", wait_until="load")
    page.wait_for_function("() => performance.getEntriesByType('navigation')[0].loadEventEnd > 0")
    loaded_s, weight = page.evaluate(LOADED) / 1000, float(page.evaluate(WEIGHT))
    context.close()
    assert weight < LONGEST_KB * 1000, f"the first page weighs {weight / 1000:.0f} kB"  # noqa: S101
    return loaded_s, weight


def _watched(scene: Scene, port: int) -> float:
    """Let fifty watch for a while; how much of a core the page took."""
    page = next(
        process
        for process in psutil.process_iter(["cmdline"])
        if process.info["cmdline"] and process.info["cmdline"][3:4] == ["web"] and _listens(process, port)
    )
    ended = threading.Event()
    watchers = [threading.Thread(target=_follow, args=(port, ended), daemon=True) for _ in range(N_WATCHERS)]
    for watcher in watchers:
        watcher.start()
    job = scene.start({**FACTS, "protocol": "watched"})
    _progress(scene, job, 3.0)
    before, begun = sum(page.cpu_times()[:2]), time.monotonic()
    _progress(scene, job, WATCHED_S)
    share = (sum(page.cpu_times()[:2]) - before) / (time.monotonic() - begun)
    ended.set()
    scene.jobs.hold(job.lease, "seen enough")
    for watcher in watchers:
        watcher.join()
    return float(share)


def _listens(process: psutil.Process, port: int) -> bool:
    return any(one.laddr and one.laddr.port == port for one in process.net_connections())


def _progress(scene: Scene, job: ClaimedJob, lasts_s: float) -> None:
    for second in range(int(lasts_s)):
        scene.jobs.progress(job.lease, second / lasts_s, f"slice {second}")
        time.sleep(1)


def _follow(port: int, ended: threading.Event) -> None:
    """Read a stream of events as a browser does."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=30)
    connection.request("GET", "/live")
    answer = connection.getresponse()
    while not ended.is_set() and answer.readline():
        pass
    connection.close()
