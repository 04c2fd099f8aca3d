"""Deleting recordings on a real disk: files before rows."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from gateway.jobs.clock import utc_now
from gateway.jobs.deliveries import DeliveryQueue
from gateway.jobs.lease import Terms
from gateway.jobs.reconstructions import JobQueue
from gateway.jobs.retention import Retention
from gateway.retention import clear_outbox, retire
from gateway.spool.spool import seal_path
from tests.jobs.test_queue import made
from tests.test_intake import Site

NOW = timedelta(0)


@pytest.fixture
def done(tmp_path: Path) -> Site:
    """A site with one scan of which everything is done."""
    site = Site(tmp_path)
    site.listener.start()
    site.send()
    site.listener.stop()
    jobs = JobQueue(site.scans._engine, utc_now, Terms())  # noqa: SLF001 - the same database
    job = jobs.claim("w1")
    assert job is not None
    jobs.succeed(job, [], [])
    return site


def clear(site: Site, keep: timedelta = NOW) -> int:
    return retire(site.spool, Retention(site.scans._engine, utc_now), keep=keep, clock=utc_now)  # noqa: SLF001


def test_a_recording_and_its_seal_go_and_the_rows_stay(done: Site) -> None:
    path = done.recording()
    assert clear(done) == 1
    assert not path.exists()
    assert not seal_path(path).exists()
    assert len(done.queries.jobs()) == 1
    assert clear(done) == 0


def test_what_is_young_stays(done: Site) -> None:
    assert clear(done, timedelta(days=1)) == 0
    assert done.recording().exists()


def test_a_death_between_files_and_row_is_made_good(done: Site) -> None:
    done.spool.delete(done.spool.key_of(done.recording()))
    done.recover()
    assert len(done.queries.jobs()) == 1
    assert clear(done) == 1
    assert clear(done) == 0


def test_the_files_of_a_delivered_series_go_and_their_empty_folders_with_them(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.listener.start()
    site.send()
    site.listener.stop()
    engine, outbox = site.scans._engine, tmp_path / "outbox"  # noqa: SLF001 - the same database
    jobs, deliveries = JobQueue(engine, utc_now, Terms()), DeliveryQueue(engine, utc_now, Terms())
    job = jobs.claim("w1")
    assert job is not None
    series = made().below("1")
    for instance in series.instances:
        (outbox / instance.path).parent.mkdir(parents=True, exist_ok=True)
        (outbox / instance.path).write_text("pixels")
    (outbox / "2").mkdir()
    jobs.succeed(job, [series], ["pacs"])
    rows = Retention(engine, utc_now)
    assert clear_outbox(outbox, rows, keep=NOW, clock=utc_now) == 0
    assert (outbox / series.instances[0].path).exists()
    one = deliveries.claim("d1")
    assert one is not None
    deliveries.succeed(one)
    assert clear_outbox(outbox, rows, keep=NOW, clock=utc_now) == 1
    assert [path.name for path in outbox.iterdir()] == ["2"], "what is another's stays"
    assert clear_outbox(outbox, rows, keep=NOW, clock=utc_now) == 0
    assert site.recording().exists(), "the recording has a time of its own"
