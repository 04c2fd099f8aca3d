from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import text

from gateway.jobs.clock import ASK_EVERY_S, ServerClock, clock_of, utc_now
from gateway.jobs.database import open_database, reading
from tests.jobs.postgres import Postgres


class Ticks:
    """A counter of seconds that we turn."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.read = 0

    def __call__(self) -> float:
        self.read += 1
        return self.now_s


def test_a_database_on_this_machine_has_its_clock(tmp_path: Path) -> None:
    assert clock_of(open_database(f"sqlite:///{tmp_path}/x.db")) is utc_now
    assert utc_now().tzinfo is UTC


def test_the_servers_time_is_asked_for_and_then_counted_on(postgres: Postgres) -> None:
    engine, ticks = open_database(postgres.new_database()), Ticks()
    clock = ServerClock(engine, ticks)
    with reading(engine) as connection:
        before: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    first = clock()
    assert before <= first <= before + timedelta(seconds=30)
    ticks.now_s += 40
    assert clock() - first == timedelta(seconds=40)
    engine.dispose()


def test_it_is_asked_again_after_a_while(postgres: Postgres) -> None:
    engine, ticks = open_database(postgres.new_database()), Ticks()
    clock = ServerClock(engine, ticks)
    first = clock()
    ticks.now_s += ASK_EVERY_S + 3600
    assert timedelta(0) <= clock() - first < timedelta(minutes=1), "the server's hour has not passed, only ours"
    engine.dispose()
