"""However much has been done: no page, list or figure reads a whole table."""

from __future__ import annotations

import sqlite3
from collections import Counter

import pytest
from sqlalchemy import event, text

from gateway.jobs.database import writing
from gateway.model.person import Right
from gateway.stations import Stations
from tests.api.conftest import Call

MUCH = 20_000
FEW = 50
"""Thousands of steps of the database's machine; to read one column of all rows takes more."""

ASKED = [
    *("/", "/held", "/jobs/1", "/audit", "/metrics", "/api/v1/status", "/api/v1/destinations", "/api/v1/audit"),
    *("/api/v1/jobs", "/api/v1/jobs?before=1000", "/api/v1/jobs?state=HELD", "/api/v1/jobs/1/events", "/api/v1/scans"),
]


def grow(stations: Stations) -> None:
    """Let the oldest job and delivery have happened again and again, all of them well."""
    numbers = "WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < :much)"
    scan, job = "printf('%032x', i)", "i + 1000"
    moment = "strftime('%Y-%m-%d %H:%M:%S.000000', '2026-02-01', '+' || i || ' seconds')"
    copies = {
        "scans": {"id": scan, "state": "'COMPLETE'", "started_at": moment},
        "jobs": {"id": job, "state": "'DONE'", "scan_id": scan},
        "deliveries": {"id": job, "state": "'COMMITTED'", "job_id": job, "scan_id": scan},
        "events": {"id": "i + 10000", "what": "'succeed'", "job_id": job, "scan_id": scan},
    }
    with writing(stations.jobs.engine) as connection:
        for table, own in copies.items():
            known = connection.execute(text(f"PRAGMA table_info({table})")).all()
            rest, keys = ", ".join(row.name for row in known if row.name not in own), ", ".join(own)
            one = f"(SELECT {rest} FROM {table} ORDER BY id LIMIT 1)"  # noqa: S608 - ours
            said = f"SELECT {', '.join(own.values())}, {rest} FROM numbers, {one}"  # noqa: S608
            insert = f"INSERT INTO {table} ({keys}, {rest}) {numbers} {said}"
            connection.execute(text(insert), {"much": MUCH})
        connection.execute(text("ANALYZE"))


@pytest.fixture
def grown(stations: Stations) -> Stations:
    grow(stations)
    return stations


def test_no_page_reads_a_whole_table(grown: Stations, call: Call) -> None:
    visit, engine, thousands = call(*Right), grown.jobs.engine, Counter[str]()
    now = "first visits"

    def count() -> int:
        thousands[now] += 1
        return 0

    @event.listens_for(engine, "checkout")
    def watch(connection: sqlite3.Connection, *_: object) -> None:
        connection.set_progress_handler(count, 1_000)

    for path in ASKED:
        now = path
        assert visit.get(path).status_code == 200, path
    assert {path: steps for path, steps in thousands.items() if steps > FEW} == {}
    now = "to show that it counts"
    with engine.connect() as connection:
        connection.execute(text("SELECT DISTINCT destination FROM deliveries WHERE state IN ('PENDING', 'HELD')")).all()
    assert thousands[now] > FEW
