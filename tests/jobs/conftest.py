"""A database of its own for each test, a clock that the test turns, and a scan to work on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from gateway.jobs.database import open_database, upgrade
from gateway.jobs.deliveries import DeliveryQueue
from gateway.jobs.lease import Terms
from gateway.jobs.queries import Queries
from gateway.jobs.reconstructions import JobQueue
from gateway.jobs.scans import ScanStore
from gateway.model.ids import JobId, RecordingId
from gateway.model.scan import ScanState, Seal, Verdict
from tests import peers
from tests.jobs.postgres import Postgres, running_postgres

TERMS = Terms(lease_s=60, max_crashes=3, retry_first_s=15, retry_longest_s=900, give_up_after_s=3600)


class TurnedClock:
    """Time that passes only when told to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def turn(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    peers.need("pg_wrapper")
    with running_postgres(synced=False) as server:
        yield server


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(f"sqlite:///{tmp_path}/gateway.db")
    upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Whatever uses this is a contract that both databases must keep."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite")
        return
    engine = open_database(request.getfixturevalue("postgres").new_database())
    yield engine
    engine.dispose()


@pytest.fixture
def scans(engine: Engine, clock: TurnedClock) -> ScanStore:
    return ScanStore(engine, clock)


@pytest.fixture
def jobs(engine: Engine, clock: TurnedClock) -> JobQueue:
    return JobQueue(engine, clock, TERMS)


@pytest.fixture
def deliveries(engine: Engine, clock: TurnedClock) -> DeliveryQueue:
    return DeliveryQueue(engine, clock, TERMS)


@pytest.fixture
def queries(engine: Engine) -> Queries:
    return Queries(engine)


def seal(number: int, state: ScanState = ScanState.COMPLETE, digest: str | None = None) -> Seal:
    """The seal of scan ``number``."""
    verdict = Verdict(state=state, reason="", recipe_asked="", n_bytes=5, n_acquisitions=3, n_waveforms=0)
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    return Seal(
        recording=RecordingId(f"{number:032x}"),
        peer="192.0.2.1",
        started_at=noon,
        ended_at=noon,
        digest=digest or f"blake3:{number:064x}",
        verdict=verdict,
    )


@pytest.fixture
def new_job(scans: ScanStore) -> Callable[[int], JobId]:
    """Makes a scan with a job."""

    def make(number: int) -> JobId:
        job = scans.finish(seal(number), f"2026-03-01/{number}.mrd")[2]
        assert job is not None
        return job

    return make
