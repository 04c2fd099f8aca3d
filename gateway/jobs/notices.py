"""Notices: what somebody should hear of, written in the transaction that made it so, until every channel has told it.

A notice names a job, a destination and what became of it; never a reason: it may repeat
what a scanner calls things.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, insert, select, update

from gateway.jobs.clock import Clock
from gateway.jobs.database import reading, writing
from gateway.jobs.tables import channels, notice_sends, notices
from gateway.model.notice import Notice, NoticeKind
from gateway.model.work import WorkEvent

MOST_AT_ONCE = 200
"""So many go into one message; the others go with the next."""

LEASE = timedelta(minutes=2)
"""As long as somebody sends by a channel, nobody else does."""

OLDEST = timedelta(days=7)
"""What is older interests nobody any more."""


CHARTS = "charts"
"""What stands for the queue in notices of control charts."""

TROUBLE = {WorkEvent.HOLD: NoticeKind.HELD, WorkEvent.FAIL: NoticeKind.FAILED, WorkEvent.CRASH_AGAIN: NoticeKind.FAILED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a notice is about: a job, or a delivery of it."""

    queue: str
    row: int
    job: int
    destination: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelState:
    """How it stands with a channel."""

    attempt: int
    """Failures in a row."""
    reason: str
    sent_at: datetime | None


def note(connection: Connection, event: WorkEvent, subject: Subject, *, at: datetime) -> None:
    """Write a notice where an event is worth one; what was told last of something is not told again."""
    kind = TROUBLE.get(event, NoticeKind.RECOVERED if event is WorkEvent.SUCCEED else None)
    if kind is None:
        return
    mine = select(notices.c.kind).where(notices.c.queue == subject.queue, notices.c.row_id == subject.row)
    last = connection.execute(mine.order_by(notices.c.id.desc()).limit(1)).scalar_one_or_none()
    if last == kind or (last is None and kind is NoticeKind.RECOVERED):
        return
    row = {"kind": kind, "queue": subject.queue, "row_id": subject.row, "job_id": subject.job}
    connection.execute(insert(notices).values(at=at, destination=subject.destination, **row))


def note_of_chart(connection: Connection, chart: int, *, begins: bool, job: int, at: datetime) -> None:
    """Write that an alarm of a control chart begins, or is over; ``job`` has shown it, 0 is none."""
    kind = NoticeKind.ALARM if begins else NoticeKind.RECOVERED
    row = {"kind": kind, "queue": CHARTS, "row_id": chart, "job_id": job, "destination": ""}
    connection.execute(insert(notices).values(at=at, **row))


class Notices:
    """What the channels still have to tell."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def open(self, channel: str) -> None:
        """Begin to use a channel: it tells what happens from now on."""
        with writing(self._engine) as connection:
            if connection.execute(select(channels).where(channels.c.channel == channel)).one_or_none() is None:
                now = self._clock()
                row = {"channel": channel, "since": now, "run_at": now, "attempt": 0, "reason": ""}
                connection.execute(insert(channels).values(row))

    def due(self, channel: str) -> list[Notice]:
        """Take what a channel has to tell now, oldest first; nobody else gets it meanwhile."""
        now = self._clock()
        sent = select(notice_sends.c.notice_id).where(
            notice_sends.c.channel == channel, notice_sends.c.notice_id == notices.c.id
        )
        since = select(channels.c.since).where(channels.c.channel == channel).scalar_subquery()
        query = select(notices).where(notices.c.at >= since, notices.c.at > now - OLDEST, ~sent.exists())
        with reading(self._engine) as connection:
            found = connection.execute(query.order_by(notices.c.id).limit(MOST_AT_ONCE)).all()
        if not found:
            return []
        mine = update(channels).where(channels.c.channel == channel, channels.c.run_at <= now)
        with writing(self._engine) as connection:
            if not connection.execute(mine.values(run_at=now + LEASE)).rowcount:
                return []
        return [
            Notice(
                id=row.id,
                at=row.at,
                kind=NoticeKind(row.kind),
                job=row.job_id,
                destination=row.destination,
                chart=row.row_id if row.queue == CHARTS else None,
            )
            for row in found
        ]

    def told(self, channel: str, told: Sequence[Notice], *, pause: timedelta) -> None:
        """Note that a channel has told these; it rests for a while, so that what follows goes together."""
        with writing(self._engine) as connection:
            now = self._clock()
            connection.execute(insert(notice_sends), [{"channel": channel, "notice_id": one.id} for one in told])
            values = {"attempt": 0, "reason": "", "sent_at": now, "run_at": now + pause}
            connection.execute(update(channels).where(channels.c.channel == channel).values(values))

    def failed(self, channel: str, reason: str, *, wait: timedelta) -> None:
        """Note that a channel could not tell; it tries again after a while."""
        with writing(self._engine) as connection:
            values = {"attempt": channels.c.attempt + 1, "reason": reason, "run_at": self._clock() + wait}
            connection.execute(update(channels).where(channels.c.channel == channel).values(values))

    def state(self, channel: str) -> ChannelState | None:
        """Say how it stands with a channel; nothing where it was never used."""
        with reading(self._engine) as connection:
            row = connection.execute(select(channels).where(channels.c.channel == channel)).one_or_none()
        return None if row is None else ChannelState(attempt=row.attempt, reason=row.reason, sent_at=row.sent_at)
