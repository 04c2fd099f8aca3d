from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, text

from gateway.jobs.clock import utc_now
from gateway.jobs.columns import metadata
from gateway.jobs.database import _alembic, open_database, reading, reading_at_once, upgrade, writing
from gateway.jobs.lease import Terms
from gateway.jobs.queries import Queries
from gateway.jobs.reconstructions import JobQueue
from gateway.jobs.scans import ScanStore
from gateway.model.errors import GatewayError, LostLease, StorageFault, WrongCall
from gateway.model.job import JobState
from tests.campaign.test_worker import wait_until
from tests.jobs.conftest import seal
from tests.jobs.postgres import Postgres


def test_the_migrations_make_the_tables_that_the_code_uses(engine: Engine) -> None:
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_upgrading_twice_changes_nothing(engine: Engine) -> None:
    assert upgrade(engine) == upgrade(engine)


def test_digests_of_before_are_of_sha256_and_come_through_with_their_jobs(engine: Engine) -> None:
    scans = ScanStore(engine, utc_now)
    for number, digest in (1, f"sha256:{1:064x}"), (2, f"blake3:{2:064x}"):
        scans.finish(seal(number, digest=digest), f"{number}")
    with writing(engine) as connection:
        config = _alembic(engine)
        config.attributes["connection"] = connection
        command.downgrade(config, "0011")
    upgrade(engine)
    assert {scan.digest for scan in Queries(engine).scans()} == {f"sha256:{1:064x}", None}
    assert len(Queries(engine).jobs()) == 2


def test_a_database_of_a_newer_version_is_left_alone(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(GatewayError, match="newer than this gateway"):
        upgrade(engine)


def test_what_is_committed_is_synced_before_the_commit_returns(sqlite: Engine) -> None:
    with reading(sqlite) as connection:
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2  # FULL
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1


def test_a_transaction_that_fails_leaves_nothing(engine: Engine) -> None:
    def write_half() -> None:
        with writing(engine) as connection:
            row = text("INSERT INTO events (at, scan_id, who, what, text) VALUES ('2026-01-01', 'x', 'x', 'x', 'x')")
            connection.execute(row)
            connection.execute(text("INSERT INTO nowhere VALUES (1)"))

    with pytest.raises(StorageFault):
        write_half()
    with reading(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM events")).scalar() == 0


@pytest.mark.parametrize(("url", "words"), [("nonsense", "not a database URL"), ("mysql://h/d", "names mysql")])
def test_an_unknown_database_is_refused(url: str, words: str) -> None:
    with pytest.raises(WrongCall, match=words):
        open_database(url)


def test_a_database_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path}")
    with pytest.raises(StorageFault), reading(engine):
        pass


def test_a_server_that_dies_is_told_and_works_again_when_it_is_back(postgres: Postgres) -> None:
    engine = open_database(postgres.new_database())
    jobs, scans, queries = JobQueue(engine, utc_now, Terms()), ScanStore(engine, utc_now), Queries(engine)
    scans.finish(seal(1), "key")
    claimed = jobs.claim("w1")
    assert claimed is not None
    jobs.note(claimed.lease, "begun")  # is on the disk when it returns, and the claim before it
    postgres.kill()
    try:
        for write in (lambda: jobs.renew(claimed.lease), lambda: scans.finish(seal(2), "other key"), queries.ping):
            with pytest.raises(StorageFault):
                write()
    finally:
        postgres.start()
    jobs.renew(claimed.lease)
    assert scans.finish(seal(2), "other key")[2] is not None
    assert [job.state for job in queries.jobs()] == [JobState.QUEUED, JobState.RUNNING]
    engine.dispose()


def test_a_claim_that_a_crash_of_the_server_undoes_is_lost_to_its_holder_and_free_for_others(
    postgres: Postgres,
) -> None:
    engine = open_database(postgres.new_database())
    jobs, scans, queries = JobQueue(engine, utc_now, Terms()), ScanStore(engine, utc_now), Queries(engine)
    scans.finish(seal(1), "key")
    postgres.kill()
    postgres.start("wal_writer_delay=10s")  # what nobody waits for lies in memory when the kill comes
    engine.dispose()
    undone = jobs.claim("w1")
    assert undone is not None
    assert queries.jobs()[0].state == JobState.RUNNING, "in force at once"
    postgres.kill()
    postgres.start()
    engine.dispose()
    assert queries.jobs()[0].state == JobState.QUEUED, "the server did not wait for its disk"
    with pytest.raises(LostLease):
        jobs.renew(undone.lease)
    again = jobs.claim("w2")
    assert again is not None
    assert again.lease.attempt == undone.lease.attempt
    with pytest.raises(LostLease):
        jobs.succeed(undone, [], [])
    jobs.succeed(again, [], [])
    engine.dispose()


LEFT_ALONE = """
import sys, threading
from tests.jobs.postgres import running_postgres
with running_postgres(synced=False) as server:
    print(server._server.pid, server._folder, flush=True)
    threading.Event().wait()
"""


@pytest.mark.peer("pg_wrapper")
def test_a_test_that_is_killed_leaves_no_database_server_behind() -> None:
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen([sys.executable, "-c", LEFT_ALONE], cwd=root, stdout=subprocess.PIPE, text=True) as test:
        assert test.stdout is not None
        pid, folder = test.stdout.readline().split()
        server = Path("/proc") / pid
        assert (server / "cmdline").read_text().split("\0")[0].endswith("postgres")
        test.kill()
    wait_until(lambda: not server.exists() or "Z" in (server / "stat").read_text().split())
    shutil.rmtree(folder)


def test_what_is_read_at_once_takes_one_connection_and_a_fault_is_told_as_ever(engine: Engine) -> None:
    with reading_at_once(engine), reading(engine) as one, reading(engine) as other:
        assert one is other
        with writing(engine) as third:
            assert third is not one
    with reading(engine) as one, reading(engine) as other:
        assert one is not other
    with pytest.raises(StorageFault), reading_at_once(engine), reading(engine) as connection:
        connection.execute(text("SELECT nonsense"))
    with reading(engine) as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1


def test_a_connection_that_has_rested_is_asked_whether_it_lives(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_database(postgres.new_database())
    pings: list[object] = []
    ping = engine.dialect.do_ping

    def counted(connection: Any) -> bool:  # noqa: ANN401 - of the driver
        pings.append(connection)
        return ping(connection)

    monkeypatch.setattr(engine.dialect, "do_ping", counted)
    for _ in range(3):
        with reading(engine) as connection:
            connection.execute(text("SELECT 1"))
    assert pings == []
    monkeypatch.setattr("gateway.jobs.database.REST_S", 0.0)
    with reading(engine) as connection:
        (mine,) = connection.execute(text("SELECT pg_backend_pid()")).one()
    assert len(pings) == 1
    other = open_database(engine.url.render_as_string(hide_password=False))
    with writing(other) as connection:
        connection.execute(text("SELECT pg_terminate_backend(:mine)"), {"mine": mine})
    with reading(engine) as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
    other.dispose()
    engine.dispose()
