"""Deleting recordings on a real disk: files before rows."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from gateway.jobs.clock import utc_now
from gateway.jobs.lease import Terms
from gateway.jobs.reconstructions import JobQueue
from gateway.jobs.retention import Retention
from gateway.retention import retire
from gateway.spool.spool import seal_path
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
