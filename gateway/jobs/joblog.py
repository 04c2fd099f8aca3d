"""The log of each job: what its worker and its deliverers say while they are at it, kept where the page can show it.

Lines are collected in memory and written by a thread of their own: whoever logs may be inside a transaction.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, delete, insert, select

from gateway.jobs.database import reading, writing
from gateway.jobs.tables import log_lines
from gateway.model.errors import StorageFault
from gateway.model.ids import JobId

WRITE_EVERY_S = 0.5
MOST_LINES = 500
"""Of one job by one process; after that a last line says that there were more."""
KEPT = timedelta(days=30)
"""How long a line is kept; the timeline of a job stays."""
CLEAR_EVERY = timedelta(hours=1)
LONGEST_LINE = 8_000
"""Characters; the end of a traceback is worth more than its beginning."""

_at: ContextVar[JobId | None] = ContextVar("job", default=None)


@contextmanager
def at_job(job: JobId) -> Iterator[None]:
    """Say which job this thread is at."""
    before = _at.set(job)
    try:
        yield
    finally:
        _at.reset(before)


def job_at_work() -> JobId | None:
    """Say which job this thread is at; None at no job."""
    return _at.get()


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line of the log of a job."""

    at: datetime
    level: str
    text: str


class JobLog(logging.Handler):
    """Keeps what is logged while a thread is at a job."""

    def __init__(self, engine: Engine, write_line: Callable[[logging.LogRecord], str]) -> None:
        super().__init__()
        self._engine = engine
        self._write_line = write_line
        self._waiting: deque[dict[str, Any]] = deque(maxlen=10 * MOST_LINES)
        self._lines: Counter[JobId] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record, if a job is at work here and has not said too much."""
        job = job_at_work()
        if job is None or self._lines[job] > MOST_LINES:
            return
        self._lines[job] += 1
        text = self._write_line(record) if self._lines[job] <= MOST_LINES else "more lines than are kept here"
        at = datetime.fromtimestamp(record.created, tz=UTC)
        line = {"job_id": job, "at": at, "level": record.levelname.lower(), "text": text[-LONGEST_LINE:]}
        self._waiting.append(line)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep what is logged as long as the block lasts."""
        ended = threading.Event()
        thread = threading.Thread(target=self._keep, args=(ended,), name="job-log", daemon=True)
        thread.start()
        logging.getLogger().addHandler(self)
        try:
            yield
        finally:
            logging.getLogger().removeHandler(self)
            ended.set()
            thread.join()

    def _keep(self, ended: threading.Event) -> None:
        cleared = datetime.min.replace(tzinfo=UTC)
        while not ended.wait(WRITE_EVERY_S):
            self.write()
            now = datetime.now(UTC)
            if now - cleared > CLEAR_EVERY:
                self.clear(now - KEPT)
                cleared = now
        self.write()

    def clear(self, before: datetime) -> None:
        """Forget the lines of long ago; of the jobs that are over, how many there were, too."""
        self._lines.clear()
        with suppress(StorageFault), writing(self._engine) as connection:
            connection.execute(delete(log_lines).where(log_lines.c.at < before))

    def write(self) -> None:
        """Write what waits; where the database does not take it, it waits on, and the oldest goes first."""
        lines = list(self._waiting)
        if not lines:
            return
        try:
            with writing(self._engine) as connection:
                connection.execute(insert(log_lines), lines)
        except StorageFault:
            return
        for _ in lines:
            self._waiting.popleft()


def log_of(engine: Engine, job: int, limit: int = MOST_LINES) -> list[LogLine]:
    """Read the log of a job, oldest line first; of a long one its end."""
    query = select(log_lines.c.at, log_lines.c.level, log_lines.c.text).where(log_lines.c.job_id == job)
    with reading(engine) as connection:
        rows = connection.execute(query.order_by(log_lines.c.id.desc()).limit(limit)).all()
    return [LogLine(at=row.at, level=row.level, text=row.text) for row in reversed(rows)]
