"""Noise covariances in SQL: kept when a noise scan was measured, found by the measurementID that a later scan names."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
from sqlalchemy import Engine, delete, insert, select

from gateway.jobs.clock import Clock
from gateway.jobs.database import reading, writing
from gateway.jobs.events import Event, add_event
from gateway.jobs.reconstructions import ClaimedJob
from gateway.jobs.tables import noise
from gateway.model.noise import NoiseCovariance

LONGEST_ID = 255
"""As the table has it."""


class NoiseStore:
    """What a worker keeps of noise scans, as long as it is of use: coils and receivers change from day to day."""

    def __init__(self, engine: Engine, clock: Clock, *, lifetime_s: float) -> None:
        self._engine = engine
        self._clock = clock
        self._lifetime = timedelta(seconds=lifetime_s)

    def keep(self, found: NoiseCovariance, job: ClaimedJob) -> None:
        """Keep a covariance; it takes the place of an earlier one of the same measurement."""
        now, key = self._clock(), found.measurement_id[:LONGEST_ID]
        row = {
            "measurement_id": key,
            "scan_id": job.scan,
            "coil_names": list(found.coil_names),
            "dwell_time_us": found.dwell_time_us,
            "bandwidth_factor": found.bandwidth_factor,
            "matrix": found.matrix.astype("<c16").tobytes(),
            "measured_at": now,
        }
        with writing(self._engine) as connection:
            connection.execute(delete(noise).where(noise.c.measurement_id == key))
            connection.execute(insert(noise).values(row))
            text = f"{len(found.matrix)} coils, measurement {key}, kept for {self._lifetime}"
            line = Event(at=now, scan_id=job.scan, job_id=job.job, who=job.lease.owner, what="noise kept", text=text)
            add_event(connection, line)

    def find(self, measurement_id: str) -> NoiseCovariance | None:
        """Find the covariance of a measurement; nothing where there is none, or where it is too old."""
        youngest = self._clock() - self._lifetime
        query = select(noise).where(noise.c.measurement_id == measurement_id[:LONGEST_ID])
        with reading(self._engine) as connection:
            row = connection.execute(query.where(noise.c.measured_at > youngest)).one_or_none()
        if row is None:
            return None
        values = np.frombuffer(row.matrix, "<c16")
        n_coils = round(len(values) ** 0.5)
        return NoiseCovariance(
            measurement_id=measurement_id,
            coil_names=tuple(row.coil_names),
            dwell_time_us=row.dwell_time_us,
            bandwidth_factor=row.bandwidth_factor,
            matrix=values.reshape(n_coils, n_coils),
        )
