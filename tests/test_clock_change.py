"""On the days on which the clocks are changed nothing comes too early, too late, twice, or an hour beside the truth."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from gateway.dicom.wall_clock import as_clocks_stood
from gateway.jobs.reconstructions import JobQueue
from gateway.jobs.retention import Retention
from gateway.model.header import Measurement, ScanHeader
from gateway.model.work import WorkEvent
from gateway.schedule import start_schedule
from gateway.web.pages import local
from tests.jobs.conftest import TurnedClock, clock, deliveries, engine, jobs, new_job, postgres, scans, sqlite
from tests.jobs.test_queue import NewJob
from tests.ward import Ward, patient

__all__ = ["clock", "deliveries", "engine", "jobs", "new_job", "postgres", "scans", "sqlite"]

SPRING = datetime(2026, 3, 29, 0, 59, 30, tzinfo=UTC)
AUTUMN = datetime(2026, 10, 25, 0, 59, 30, tzinfo=UTC)
"""Half a minute before the clocks of Berlin go from 2 to 3, and from 3 to 2."""

NIGHTS = pytest.mark.parametrize("night", [SPRING, AUTUMN], ids=["spring", "autumn"])


@pytest.fixture(autouse=True)
def berlin() -> Iterator[None]:
    """The zone of this machine."""
    before = os.environ["TZ"]
    os.environ["TZ"] = "Europe/Berlin"
    time.tzset()
    yield
    os.environ["TZ"] = before
    time.tzset()


def header(day: str | None, at: str | None = None) -> ScanHeader:
    """A scan whose scanner has a clock on its wall."""
    measurement = Measurement(series_date=day, series_time=at)
    return replace(patient(date=day or "", time=at or ""), measurement=measurement)


@pytest.mark.parametrize(
    ("day", "at", "received", "offset"),
    [
        ("2026-07-01", "10:00:00", "2026-07-01T08:05", "+0200"),
        ("2026-07-01", "10:00:00", "2026-12-01T08:05", "+0200"),
        ("2026-12-01", "10:00:00", "2026-12-01T09:05", "+0100"),
        ("2026-12-01", None, "2027-07-01T09:05", "+0100"),
        ("2026-10-25", "01:30:00", "2026-10-25T01:20", "+0200"),
        ("2026-10-25", "02:10:00", "2026-10-25T00:20", "+0200"),
        ("2026-10-25", "02:10:00", "2026-10-25T01:20", "+0100"),
        ("2026-10-25", "02:50:00", "2026-10-25T01:20", "+0200"),
        ("2026-03-29", "01:50:00", "2026-03-29T01:10", "+0100"),
        ("2026-03-29", "02:30:00", "2026-03-29T01:40", "+0100"),
        ("2026-03-29", "03:05:00", "2026-03-29T01:10", "+0200"),
        (None, None, "2026-07-01T08:05", "+0200"),
        ("0001-02-30", "25:00", "2026-12-01T08:05", "+0100"),
        ("9999-12-31", "23:59:59", "2026-12-01T08:05", "+0100"),
        ("1901-06-01", "10:00:00", "2026-12-01T08:05", "+0100"),
    ],
)
def test_the_offset_is_that_of_the_clock_by_which_the_scan_was_measured(
    day: str | None, at: str | None, received: str, offset: str
) -> None:
    received_at = datetime.fromisoformat(received).replace(tzinfo=UTC)
    told = as_clocks_stood(received_at, header(day, at))
    assert told == received_at
    assert f"{told:%z}" == offset


def moment(ds: Dataset, what: str) -> datetime:
    """Read a date and a time as whoever reads the object does (PS3.3 C.12.1.1.1)."""
    text = f"{ds[f'{what}Date'].value}{ds[f'{what}Time'].value}".partition(".")[0]
    return datetime.strptime(text + ds.TimezoneOffsetFromUTC, "%Y%m%d%H%M%S%z").astimezone(UTC)


@pytest.mark.parametrize("night", [AUTUMN - timedelta(hours=1), AUTUMN, AUTUMN + timedelta(hours=1), SPRING])
def test_every_moment_of_a_series_is_the_true_one(night: datetime, tmp_path: Path) -> None:
    began, received = night, TurnedClock()
    wall = began.astimezone()
    received.now = began + timedelta(minutes=3)
    ward = Ward(tmp_path, {}, received)
    day, at = f"{wall:%Y-%m-%d}", f"{wall:%H:%M:%S}"
    job = ward.scan(replace(patient(date=day, time=at), measurement=Measurement(series_date=day, series_time=at)))
    ward.work()
    for ds in ward.made(job):
        assert (moment(ds, "Study"), moment(ds, "Series")) == (began, began)
        assert moment(ds, "Content") == received.now


@NIGHTS
def test_a_lease_lasts_as_long_as_any_other(
    night: datetime, clock: TurnedClock, jobs: JobQueue, new_job: NewJob
) -> None:
    clock.now = night
    new_job(1)
    assert jobs.claim("w") is not None
    clock.turn(59)
    assert jobs.reap() == 0
    clock.turn(2)
    assert jobs.reap() == 1


@NIGHTS
def test_a_retry_waits_no_hour_longer_and_comes_no_hour_earlier(
    night: datetime, clock: TurnedClock, jobs: JobQueue, new_job: NewJob
) -> None:
    clock.now = night
    new_job(1)
    claimed = jobs.claim("w")
    assert claimed is not None
    jobs.postpone(claimed.lease, "not now")
    clock.turn(7)
    assert jobs.claim("w") is None, "the first wait is half of 15 s at least"
    clock.turn(8)
    assert jobs.claim("w") is not None


@NIGHTS
def test_what_is_kept_for_a_day_is_kept_for_24_hours(
    night: datetime, clock: TurnedClock, jobs: JobQueue, new_job: NewJob
) -> None:
    clock.now = night - timedelta(hours=3)
    number = new_job(1)
    jobs.act(number, WorkEvent.CANCEL, who="anna")
    new_job(2)
    claimed = jobs.claim("w")
    assert claimed is not None
    jobs.succeed(claimed, [], [])
    rows = Retention(jobs.engine, clock)
    clock.turn(24 * 3600 - 1)
    assert rows.done_before([claimed.job], clock() - timedelta(days=1)) == []
    clock.turn(2)
    assert rows.done_before([claimed.job], clock() - timedelta(days=1)) == [claimed.job]


@NIGHTS
def test_a_duty_is_done_as_often_as_on_any_other_night(night: datetime) -> None:
    scheduler = start_schedule({"look": (600, lambda: None)})
    try:
        (duty,) = scheduler.get_jobs()
        times = [night]
        for _ in range(30):
            times.append(duty.trigger.get_next_fire_time(times[-1], times[-1]))
    finally:
        scheduler.shutdown()
    steps = {(later.astimezone(UTC) - earlier.astimezone(UTC)) for earlier, later in pairwise(times)}
    assert steps == {timedelta(minutes=10)}


def test_the_hour_that_comes_twice_can_be_told_apart() -> None:
    first, second = AUTUMN - timedelta(minutes=30), AUTUMN + timedelta(minutes=30)
    assert local(first) != local(second)
