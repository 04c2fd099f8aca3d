"""What the dashboard asks: right on both databases, and bounded however much there is."""

from __future__ import annotations

import logging
from datetime import timedelta

from sqlalchemy import Engine

from gateway.jobs.arrivals import Arrivals
from gateway.jobs.breaker import FAILURES_TO_OPEN, Breaker
from gateway.jobs.deliveries import DeliveryQueue
from gateway.jobs.joblog import MOST_LINES, JobLog, at_job
from gateway.jobs.overview import Overview
from gateway.jobs.presence import FORGOTTEN, SILENT_S, Presences
from gateway.jobs.queries import Queries
from gateway.jobs.reconstructions import JobQueue
from gateway.jobs.scans import ScanStore
from gateway.model.ids import JobId, RecordingId
from gateway.model.work import WorkEvent
from tests.jobs.conftest import TERMS, TurnedClock, seal


def queued(engine: Engine, clock: TurnedClock, n: int) -> list[JobId]:
    store = ScanStore(engine, clock)
    made = [store.finish(seal(number), f"key {number}")[2] for number in range(1, n + 1)]
    return [job for job in made if job is not None]


class Session:
    """A scan that arrives."""

    def __init__(self) -> None:
        self.recording = RecordingId("a" * 32)
        self.n_bytes = 0
        self.n_acquisitions = 0


def test_how_fast_a_scan_arrives_is_told_until_it_is_over(engine: Engine, clock: TurnedClock) -> None:
    scans, queries, session = ScanStore(engine, clock), Queries(engine), Session()
    now = [0.0]
    arrivals = Arrivals(scans=scans, monotonic=lambda: now[0])
    scans.begin(session.recording, peer="scanner", started_at=clock())
    arrivals.opened(session)
    for second, n_bytes in ((1, 100), (2, 300), (3, 300)):
        now[0], session.n_bytes, session.n_acquisitions = second, n_bytes, second
        arrivals.tell()
        (seen,) = queries.scans()
        assert (seen.n_bytes, seen.n_acquisitions) == (n_bytes, second)
        assert seen.bytes_per_s == {1: 100, 2: 200, 3: 0}[second]
    scans.lost(session.recording, "cut")
    session.n_bytes = 999
    now[0] = 4
    arrivals.tell()
    assert queries.scans()[0].n_bytes == 300
    arrivals.closed(session.recording)
    arrivals.tell()


def test_who_is_at_work_is_seen_and_whoever_fell_silent_too(engine: Engine, clock: TurnedClock) -> None:
    presences, overview, jobs = Presences(engine, clock), Overview(engine, clock), JobQueue(engine, clock, TERMS)
    (job,) = queued(engine, clock, 1)
    presences.say("w1", "worker", "CPU, 2 threads")
    presences.say("w2", "worker", "CPU, 2 threads")
    claimed = jobs.claim("w1")
    assert claimed is not None
    jobs.progress(claimed.lease, 0.5, "slice 3 of 6")
    busy, idle = overview.colleagues()
    assert (busy.job, busy.progress, busy.doing) == (job, 0.5, "slice 3 of 6")
    assert idle.job is None
    clock.turn(SILENT_S + 1)
    presences.say("w1", "worker", "CPU, 2 threads")
    assert [one.presence.silent for one in overview.colleagues()] == [False, True]
    clock.turn(FORGOTTEN.total_seconds())
    presences.say("w1", "worker", "CPU, 2 threads")
    assert [one.presence.owner for one in overview.colleagues()] == ["w1"]
    presences.gone("w1")
    assert overview.colleagues() == []


def test_a_destination_that_is_away_is_seen_until_it_answers(engine: Engine, clock: TurnedClock) -> None:
    overview, breaker = Overview(engine, clock), DeliveryQueue(engine, clock, TERMS).breaker
    for _ in range(4):
        breaker.failed("pacs", "nobody answers at 192.0.2.1:104")
        clock.turn(60)
    (seen,) = overview.destinations(["pacs"])
    assert seen.away_since == clock() - timedelta(minutes=2)
    assert seen.reason == "nobody answers at 192.0.2.1:104"
    DeliveryQueue(engine, clock, TERMS).breaker.reached("pacs")  # a deliverer that was started since
    assert overview.destinations(["pacs"])[0].away_since is None
    breaker.reached("pacs")  # which had not heard of it


def test_the_last_day_is_counted_by_the_hour(engine: Engine, clock: TurnedClock) -> None:
    overview, jobs = Overview(engine, clock), JobQueue(engine, clock, TERMS)
    queued(engine, clock, 3)
    for _ in range(2):
        claimed = jobs.claim("w")
        assert claimed is not None
        jobs.succeed(claimed, [], [])
    clock.turn(3600)
    failed = jobs.claim("w")
    assert failed is not None
    jobs.fail(failed.lease, "broken")
    *before, earlier, now = overview.last_day()
    assert (earlier.received, earlier.done, earlier.stuck) == (3, 2, 0)
    assert (now.received, now.done, now.stuck) == (0, 0, 1)
    assert now.begins_at == clock().replace(minute=0, second=0)
    assert all((hour.received, hour.done, hour.stuck) == (0, 0, 0) for hour in before)
    assert overview.backlog().stuck == 1


def test_the_pulse_changes_with_everything_that_a_page_shows(engine: Engine, clock: TurnedClock) -> None:
    overview, jobs, scans = Overview(engine, clock), JobQueue(engine, clock, TERMS), ScanStore(engine, clock)
    seen = [overview.pulse()]
    queued(engine, clock, 1)
    seen.append(overview.pulse())
    claimed = jobs.claim("w")
    assert claimed is not None
    seen.append(overview.pulse())
    jobs.progress(claimed.lease, 0.5, "half")
    seen.append(overview.pulse())
    scans.begin(RecordingId("b" * 32), peer="scanner", started_at=clock())
    seen.append(overview.pulse())
    breaker = Breaker(engine, clock)
    for _ in range(FAILURES_TO_OPEN):
        breaker.failed("pacs", "away")
    seen.append(overview.pulse())
    Presences(engine, clock).say("w", "worker", "CPU")
    seen.append(overview.pulse())
    assert len(set(seen)) == len(seen)
    assert overview.pulse() == seen[-1]


def test_what_waits_for_a_person_is_a_list_with_neighbours(engine: Engine, clock: TurnedClock) -> None:
    queries, jobs = Queries(engine), JobQueue(engine, clock, TERMS)
    numbers = queued(engine, clock, 5)
    for job in (numbers[0], numbers[2], numbers[4]):
        jobs.act(job, WorkEvent.HOLD, who="anna", reason="wrong patient?")
        clock.turn(1)
    assert [job.id for job in queries.stuck()] == [numbers[4], numbers[2], numbers[0]]
    assert [job.id for job in queries.stuck(1, before=numbers[4])] == [numbers[2]]
    assert queries.stuck_beside(numbers[2]) == (numbers[4], numbers[0])
    assert queries.stuck_beside(numbers[4]) == (None, numbers[2])
    since = queries.last_steps(numbers)
    assert since[numbers[4]] - since[numbers[0]] == timedelta(seconds=2)


def test_what_is_logged_at_a_job_is_its_log_and_no_more_than_people_read(engine: Engine) -> None:
    log = JobLog(engine, lambda record: record.getMessage())
    logger = logging.getLogger("tests.of.the.job.log")
    with log.kept():
        logger.warning("at no job")
        with at_job(JobId(7)):
            logger.warning("coils %s", 8)
        with at_job(JobId(8)):
            for number in range(MOST_LINES + 5):
                logger.warning("line %s", number)
    queries = Queries(engine)
    assert [(line.level, line.text) for line in queries.log(7)] == [("warning", "coils 8")]
    assert len(queries.log(8)) == MOST_LINES
    assert queries.log(8)[-1].text == "more lines than are kept here"
    log.clear(queries.log(7)[0].at + timedelta(days=1))
    assert queries.log(7) == []
