"""The databases of tests/jobs."""

from tests.jobs.conftest import clock, engine, postgres, sqlite

__all__ = ["clock", "engine", "postgres", "sqlite"]
