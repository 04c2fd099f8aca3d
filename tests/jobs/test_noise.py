from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sqlalchemy import Engine

from gateway.jobs.noise import NoiseStore
from gateway.jobs.queries import Queries
from gateway.jobs.reconstructions import ClaimedJob, JobQueue
from gateway.model.ids import JobId
from gateway.model.noise import NoiseCovariance
from tests.jobs.conftest import TurnedClock

HOUR_S = 3600.0


def covariance(measurement: str = "M1", seed: int = 1) -> NoiseCovariance:
    random = np.random.default_rng(seed)
    root = random.normal(size=(3, 3)) + 1j * random.normal(size=(3, 3))
    return NoiseCovariance(
        measurement_id=measurement,
        coil_names=("Head_2:1:H1", "Head_2:1:H2", "Head_2:1:H3"),
        dwell_time_us=5.1,
        bandwidth_factor=0.793,
        matrix=root @ root.conj().T,
    )


@pytest.fixture
def store(engine: Engine, clock: TurnedClock) -> NoiseStore:
    return NoiseStore(engine, clock, lifetime_s=HOUR_S)


@pytest.fixture
def job(jobs: JobQueue, new_job: Callable[[int], JobId]) -> ClaimedJob:
    new_job(1)
    claimed = jobs.claim("w1")
    assert claimed is not None
    return claimed


def test_what_was_kept_is_found_to_the_last_bit(store: NoiseStore, job: ClaimedJob, queries: Queries) -> None:
    kept = covariance()
    store.keep(kept, job)
    found = store.find("M1")
    assert found is not None
    np.testing.assert_array_equal(found.matrix, kept.matrix)
    assert (found.coil_names, found.dwell_time_us, found.bandwidth_factor) == (kept.coil_names, 5.1, 0.793)
    assert queries.timeline(queries.job(job.job))[-1].what == "noise kept"


def test_another_measurement_has_none(store: NoiseStore, job: ClaimedJob) -> None:
    store.keep(covariance("M1"), job)
    assert store.find("M2") is None


def test_it_is_found_as_long_as_it_is_young(store: NoiseStore, job: ClaimedJob, clock: TurnedClock) -> None:
    store.keep(covariance(), job)
    clock.turn(HOUR_S - 1)
    assert store.find("M1") is not None
    clock.turn(1)
    assert store.find("M1") is None


def test_the_newest_of_a_measurement_counts(store: NoiseStore, job: ClaimedJob) -> None:
    for seed in (1, 2):
        store.keep(covariance(seed=seed), job)
    found = store.find("M1")
    assert found is not None
    np.testing.assert_array_equal(found.matrix, covariance(seed=2).matrix)
