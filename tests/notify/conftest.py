"""The databases of tests/jobs."""

from tests.jobs.conftest import clock, engine, jobs, new_job, postgres, scans, sqlite

__all__ = ["clock", "engine", "jobs", "new_job", "postgres", "scans", "sqlite"]
