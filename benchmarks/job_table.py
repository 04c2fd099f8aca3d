"""The job table with a million finished jobs: the slowest of a hundred claims, and of a hundred dashboards."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy import Engine, text

from benchmarks.registry import Peers, benchmark
from gateway.jobs.clock import utc_now
from gateway.jobs.database import open_database, upgrade, writing
from gateway.jobs.lease import Terms
from gateway.jobs.overview import Overview
from gateway.jobs.queries import Queries
from gateway.jobs.reconstructions import JobQueue
from gateway.jobs.scans import ScanStore
from gateway.model.ids import RecordingId
from gateway.model.scan import ScanState, Seal, Verdict
from gateway.site import Disk, Site
from gateway.web.door import STRANGER, Door
from gateway.web.pages import Pages
from gateway.web.work import Desk
from tests.jobs.postgres import BINARIES, running_postgres

N_JOBS = 1_000_000
N_LOOKS = 100
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DISK = Disk(used_percent=62, free_gb=190, warn_percent=80, refuse_percent=95)


@benchmark
def claim_among_a_million() -> Iterator[Peers]:
    """Claim and finish a hundred jobs beside a million finished ones: the 99th percentile of the claims."""
    with databases() as engines:
        yield {name: lambda engine=engine: _claims(engine) for name, engine in engines.items()}  # type: ignore[misc]


@benchmark
def dashboard_among_a_million() -> Iterator[Peers]:
    """Make the pages of the dashboard, of what is held and of a job a hundred times: the 99th percentile of one."""
    with databases() as engines:
        yield {name: lambda engine=engine: _looks(engine) for name, engine in engines.items()}  # type: ignore[misc]


@contextmanager
def databases() -> Iterator[dict[str, Engine]]:
    """Fill each database with a million finished jobs, each with a series that has arrived."""
    with tempfile.TemporaryDirectory() as folder:
        engines = {"sqlite": open_database(f"sqlite:///{folder}/gateway.db")}
        if not BINARIES.is_dir():
            yield _filled(engines)
            return
        with running_postgres(synced=True) as server:
            engines["postgresql"] = open_database(server.new_database())
            yield _filled(engines)
            engines["postgresql"].dispose()


WORDS = {
    "sqlite": {
        "name": "printf('%032x', i)",
        "moment": "strftime('%Y-%m-%d %H:%M:%S.000000', '2026-03-01', '+' || i || ' seconds')",
    },
    "postgresql": {
        "name": "lpad(to_hex(i), 32, '0')",
        "moment": "timestamptz '2026-03-01' + i * interval '1 second'",
    },
}
"""How each database says the same."""

FILL = (
    """INSERT INTO scans (id, state, reason, peer, recording, digest, n_bytes, n_acquisitions, n_waveforms,
                          recipe_asked, facts, started_at, ended_at)
       SELECT {name}, 'COMPLETE', '', '192.0.2.1', {name}, {name}, 1, 1, 0, '', '{{}}', {moment}, {moment}
       FROM numbers""",
    """INSERT INTO jobs (scan_id, state, reason, priority, recipe_asked, progress, doing, attempt, crashes, run_at,
                         created_at, finished_at)
       SELECT {name}, 'DONE', '', 10, '', 1.0, '', 1, 0, {moment}, {moment}, {moment} FROM numbers""",
    """INSERT INTO series (job_id, study_instance_uid, series_instance_uid, description)
       SELECT i, '2.25.' || i, '2.25.1' || i, 'fft' FROM numbers""",
    """INSERT INTO deliveries (series_id, job_id, scan_id, destination, state, reason, priority, attempt, crashes,
                               run_at, created_at, finished_at)
       SELECT i, i, {name}, 'pacs', 'COMMITTED', '', 10, 1, 0, {moment}, {moment}, {moment} FROM numbers""",
    """INSERT INTO events (at, scan_id, job_id, who, what, text)
       SELECT {moment}, {name}, i, 'worker', 'succeed', '' FROM numbers""",
)


def _filled(engines: dict[str, Engine]) -> dict[str, Engine]:
    numbers = "WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < :n) "
    for name, engine in engines.items():
        upgrade(engine)
        with writing(engine) as connection:
            for insert in FILL:
                head, select, rest = insert.partition("SELECT")
                whole = head + numbers + (select + rest).format(**WORDS[name])
                connection.execute(text(whole), {"n": N_JOBS})
            connection.execute(text("ANALYZE"))
    return engines


def seconds(work: Callable[[], object]) -> float:
    """Time one call."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _p99(times: list[float]) -> float:
    return sorted(times)[math.ceil(0.99 * len(times)) - 1]


def _claims(engine: Engine) -> float:
    queue, store, times = JobQueue(engine, utc_now, Terms()), ScanStore(engine, utc_now), []
    for _ in range(N_LOOKS):
        store.finish(_seal(time.time_ns()), "key")
        begin = time.perf_counter()
        claimed = queue.claim("w")
        times.append(time.perf_counter() - begin)
        assert claimed is not None, "it was queued a moment ago"  # noqa: S101
        queue.succeed(claimed, [], [])
    return _p99(times)


def _seal(number: int) -> Seal:
    verdict = Verdict(state=ScanState.COMPLETE, reason="", recipe_asked="", n_bytes=5, n_acquisitions=3, n_waveforms=0)
    peer, digest = "192.0.2.1", f"blake3:{number:064x}"
    recording = RecordingId(f"{number + (1 << 120):032x}")
    return Seal(recording=recording, peer=peer, started_at=NOON, ended_at=NOON, digest=digest, verdict=verdict)


def _looks(engine: Engine) -> float:
    """Show the dashboard, what is held and the story of a job, as whole pages; ask for one scan by its id."""
    queries = Queries(engine)
    site = Site(overview=Overview(engine, utc_now), disk=lambda: DISK, destinations=lambda: {"pacs": "by C-STORE"})
    desk = Desk(
        queries=queries,
        pages=Pages(signs_in=False),
        site=site,
        pictures=None,
        live=None,
        door=Door(people=None),
        recipes=tuple,
    )
    asked: list[Callable[[], object]] = [
        lambda: desk.show(desk.dashboard(STRANGER), "work.html", STRANGER, ""),
        lambda: desk.show(desk.held(STRANGER, None), "held.html", STRANGER, ""),
        lambda: desk.show(desk.job(STRANGER, N_JOBS // 2), "job.html", STRANGER, ""),
        lambda: queries.scan("00000000000000000000000000000abc"),
        site.overview.pulse,
    ]
    return _p99([seconds(ask) for _ in range(N_LOOKS) for ask in asked])
