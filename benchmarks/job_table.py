"""The job table with a million finished jobs: what a claim, a statement of the dashboard and a whole page take."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine, event, text

from gateway.jobs.clock import utc_now
from gateway.jobs.database import open_database, reading, upgrade, writing
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


def percentile(times: list[float], percent: int) -> float:
    """Find the time that so many of a hundred do not exceed."""
    return sorted(times)[math.ceil(percent / 100 * len(times)) - 1]


def claims(engine: Engine) -> float:
    """Claim a hundred jobs, each just queued, and finish them: the 99th percentile of the claims."""
    queue, store, times = JobQueue(engine, utc_now, Terms()), ScanStore(engine, utc_now), []
    for _ in range(N_LOOKS):
        store.finish(_seal(time.time_ns()), "key")
        begin = time.perf_counter()
        claimed = queue.claim("w")
        times.append(time.perf_counter() - begin)
        assert claimed is not None, "it was queued a moment ago"  # noqa: S101
        queue.succeed(claimed, [], [])
    return percentile(times, 99)


def _seal(number: int) -> Seal:
    verdict = Verdict(state=ScanState.COMPLETE, reason="", recipe_asked="", n_bytes=5, n_acquisitions=3, n_waveforms=0)
    peer, digest = "192.0.2.1", f"blake3:{number:064x}"
    recording = RecordingId(f"{number + (1 << 120):032x}")
    return Seal(recording=recording, peer=peer, started_at=NOON, ended_at=NOON, digest=digest, verdict=verdict)


def statements(engine: Engine) -> float:
    """Say to the database again, a hundred times each, what the dashboard says: p99 of the slowest statement."""
    slowest = 0.0
    with reading(engine) as connection:
        for said in said_by_the_dashboard(engine):
            answer = partial(_answer, connection, said)
            slowest = max(slowest, percentile([seconds(answer) for _ in range(N_LOOKS)], 99))
    return slowest


def _answer(connection: Connection, said: tuple[str, Any]) -> object:
    return connection.exec_driver_sql(*said).all()


def said_by_the_dashboard(engine: Engine) -> list[tuple[str, Any]]:
    """Write down the statements, with their values, behind the dashboard, what is held, a job, a scan and the pulse."""
    said: list[tuple[str, Any]] = []

    def write_down(_connection: object, _cursor: object, statement: str, values: object, *_: object) -> None:
        if statement != "BEGIN":
            said.append((statement, values))

    desk, queries = desk_of(engine), Queries(engine)
    event.listen(engine, "before_cursor_execute", write_down)
    try:
        desk.dashboard(STRANGER)
        desk.held(STRANGER, None)
        desk.job(STRANGER, N_JOBS // 2)
        queries.scan("00000000000000000000000000000abc")
        Overview(engine, utc_now).pulse()
    finally:
        event.remove(engine, "before_cursor_execute", write_down)
    return said


def desk_of(engine: Engine) -> Desk:
    """Set up what makes the pages, over a database alone."""
    site = Site(overview=Overview(engine, utc_now), disk=lambda: DISK, destinations=lambda: {"pacs": "by C-STORE"})
    return Desk(
        queries=Queries(engine),
        pages=Pages(signs_in=False),
        site=site,
        pictures=None,
        live=None,
        door=Door(people=None),
        recipes=tuple,
    )
