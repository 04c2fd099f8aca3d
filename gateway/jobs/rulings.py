"""What the gate said of the images of each job, and what a person decided about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, insert, select, update

from gateway.jobs.database import reading
from gateway.jobs.tables import rulings
from gateway.model.errors import Overtaken
from gateway.model.gate import Action, Assessment, Check, Decision, Grade, Ruling
from gateway.model.ids import JobId


@dataclass(frozen=True, slots=True, kw_only=True)
class RulingView:
    """What the gate said of a job's images."""

    ruling: Ruling
    at: datetime
    open: bool
    """Whether it waits for a person."""
    decided_by: str | None
    decided_at: datetime | None
    reason: str


class Rulings:
    """Read-only, but for what the queue of jobs writes in its own transactions."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def of(self, job: int) -> RulingView | None:
        """Look up what the gate said last."""
        with reading(self._engine) as connection:
            row = connection.execute(select(rulings).where(rulings.c.job_id == job)).one_or_none()
        return None if row is None else _view(row)

    def decided(self, job: int, subject: str) -> Decision | None:
        """Look up what a person has said of a subject; a word about anything else does not count."""
        with reading(self._engine) as connection:
            row = connection.execute(select(rulings).where(rulings.c.job_id == job)).one_or_none()
        return None if row is None or row.subject != subject or row.decision is None else Decision(row.decision)


def put_ruling(connection: Connection, job: JobId, ruling: Ruling, *, at: datetime) -> None:
    """Keep what the gate says, in place of what it said before; a person's word stays as long as its subject does."""
    before = connection.execute(select(rulings).where(rulings.c.job_id == job)).one_or_none()
    same = before is not None and before.subject == ruling.subject
    word = {name: getattr(before, name) if same else None for name in ("decision", "decided_by", "decided_at")}
    connection.execute(delete(rulings).where(rulings.c.job_id == job))
    row = {
        "job_id": job,
        "at": at,
        "subject": ruling.subject,
        "action": ruling.action,
        "policy": ruling.policy,
        "because": list(ruling.because),
        "assessments": [asdict(each) for each in ruling.assessments],
        "open": ruling.action is Action.HOLD,
        "reason": before.reason if same and before is not None else "",
    }
    connection.execute(insert(rulings).values(**row, **word))


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What a person says of images."""

    decision: Decision
    who: str
    reason: str


def decide(connection: Connection, job: int, word: Word, *, at: datetime) -> None:
    """Write down what a person says of the images that the gate has held.

    Raises
    ------
    Overtaken
        Nothing waits for such a word.
    """
    mine = (rulings.c.job_id == job, rulings.c.open.is_(True))
    said = {"decision": word.decision, "decided_by": word.who, "decided_at": at, "reason": word.reason}
    if connection.execute(update(rulings).where(*mine).values(**said, open=False)).rowcount != 1:
        raise Overtaken(f"no images of job {job} wait for a review")


def _view(row: Row[Any]) -> RulingView:
    return RulingView(
        ruling=Ruling(
            action=Action(row.action),
            because=tuple(row.because),
            assessments=tuple(_assessment(each) for each in row.assessments),
            policy=row.policy,
            subject=row.subject,
            decision=None if row.decision is None else Decision(row.decision),
        ),
        at=row.at,
        open=row.open,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        reason=row.reason,
    )


def _assessment(kept: Mapping[str, Any]) -> Assessment:
    return Assessment(**{**kept, "check": Check(kept["check"]), "grade": Grade(kept["grade"])})
