"""Reader studies in SQL: the images that are made for them, who reads, and what they say."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from gateway.jobs.audit import Deed, add_deed
from gateway.jobs.clock import Clock
from gateway.jobs.database import reading, writing
from gateway.jobs.events import Event, add_event
from gateway.jobs.route_versions import version_in_force
from gateway.jobs.scans import REPLAY_PRIORITY
from gateway.jobs.study_export import queue_series
from gateway.jobs.study_tables import studies, study_images, study_readers, study_remarks, study_scores
from gateway.jobs.tables import jobs
from gateway.model.errors import NothingThere, Overtaken, WrongCall
from gateway.model.ids import DeliveryId, JobId, RecordingId
from gateway.model.job import JobState
from gateway.model.reading import (
    LONGEST_NAME,
    BlindImage,
    Criterion,
    Design,
    Reader,
    Remark,
    Said,
    Score,
    Study,
    StudyImage,
    StudyPlan,
)

CODE_BYTES = 16
DELETED = "\n"
"""Stands in the names of studies that were deleted: no study can be given such a name, and theirs are free again."""


class Studies:
    """Studies: made, read, finished, closed, deleted."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def make(self, plan: StudyPlan, order: Sequence[tuple[RecordingId, str]], *, who: str) -> Study:
        """Make a study, and a job for each of its images: it is reconstructed like any other, and sent nowhere.

        Parameters
        ----------
        order
            Scan and recipe of each image, in the order of the study.

        Raises
        ------
        Overtaken
            A study of this name is there.
        """
        now = self._clock()
        row = {"name": plan.name, "criteria": [asdict(one) for one in plan.criteria], "points": plan.points}
        row |= {"design": plan.design, "repeats": plan.repeats}
        row |= {"project": plan.project, "seed": plan.seed, "made_by": who, "made_at": now}
        with writing(self._engine) as connection:
            if connection.execute(select(studies.c.id).where(studies.c.name == plan.name)).one_or_none():
                raise Overtaken(f"there is a study {plan.name!r} already")
            made = connection.execute(insert(studies).values(row).returning(studies)).one()
            for number, (scan, recipe) in enumerate(order, 1):
                code = secrets.token_hex(CODE_BYTES)
                job = _enqueue(connection, scan, recipe, who=who, at=now)
                values = {"code": code, "study_id": made.id, "number": number, "scan_id": scan}
                connection.execute(insert(study_images).values(recipe=recipe, job_id=job, **values))
            _add_readers(connection, made.id, plan.readers)
            told = f"{len(order)} images of {len(plan.scans)} scans by {', '.join(plan.recipes)}, for "
            told += ", ".join(plan.readers) or "nobody yet"
            add_deed(connection, Deed(at=now, who=who, what=f"study {made.id} made", text=f"{plan.name}: {told}"))
        return _study(made)

    def all(self) -> list[Study]:
        """List every study, newest first."""
        with reading(self._engine) as connection:
            return [_study(row) for row in connection.execute(_kept().order_by(studies.c.id.desc()))]

    def of_reader(self, name: str) -> list[Study]:
        """List the open studies that somebody reads, oldest first."""
        query = _kept().join(study_readers, study_readers.c.study_id == studies.c.id)
        query = query.where(study_readers.c.reader == name, studies.c.closed_at.is_(None)).order_by(studies.c.id)
        with reading(self._engine) as connection:
            return [_study(row) for row in connection.execute(query)]

    def study(self, number: int) -> Study:
        """Find a study.

        Raises
        ------
        NothingThere
            There is none of this number.
        """
        with reading(self._engine) as connection:
            return _study(_row(connection, number))

    def named(self, name: str) -> Study:
        """Find a study by its name, or by its number.

        Raises
        ------
        NothingThere
            There is none.
        """
        with reading(self._engine) as connection:
            row = connection.execute(_kept().where(studies.c.name == name)).one_or_none()
        if row is not None:
            return _study(row)
        if name.isdecimal():
            return self.study(int(name))
        raise NothingThere(f"there is no study {name!r}")

    def images(self, number: int) -> list[StudyImage]:
        """List the images of a study in its order, with the jobs that make them."""
        query = select(study_images, jobs.c.state, jobs.c.reason).join(jobs, jobs.c.id == study_images.c.job_id)
        with reading(self._engine) as connection:
            rows = connection.execute(query.where(study_images.c.study_id == number).order_by(study_images.c.number))
            return [
                StudyImage(
                    code=row.code,
                    number=row.number,
                    scan=RecordingId(row.scan_id),
                    recipe=row.recipe,
                    job=JobId(row.job_id),
                    state=row.state,
                    reason=row.reason,
                )
                for row in rows
            ]

    def blind(self, job: int) -> BlindImage | None:
        """Look up for which study a job is; None where it is for none."""
        query = select(study_images.c.code, study_images.c.number, studies.c.project)
        query = query.join(studies, studies.c.id == study_images.c.study_id).where(study_images.c.job_id == job)
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else BlindImage(code=row.code, number=row.number, project=row.project)

    def readers(self, number: int) -> list[Reader]:
        """List who reads, and how far each is."""
        with reading(self._engine) as connection:
            study = _study(_row(connection, number))
            mine = select(study_readers).where(study_readers.c.study_id == number).order_by(study_readers.c.reader)
            rows = connection.execute(mine).all()
            given = Counter((row.reader, row.code) for row in _scores(connection, number))
        whole = Counter(reader for (reader, _), n in given.items() if n == len(study.criteria))
        return [
            Reader(name=row.reader, n_scored=whole[row.reader], began_at=row.began_at, finished_at=row.finished_at)
            for row in rows
        ]

    def reader(self, number: int, name: str) -> Reader:
        """Find how far somebody is.

        Raises
        ------
        NothingThere
            They do not read this study.
        """
        found = next((one for one in self.readers(number) if one.name == name), None)
        if found is None:
            raise NothingThere(f"{name!r} does not read study {number}")
        return found

    def add_readers(self, number: int, names: Sequence[str], *, who: str) -> None:
        """Let more people read a study that is open."""
        with writing(self._engine) as connection:
            _open(connection, number)
            _add_readers(connection, number, names)
            deed = Deed(at=self._clock(), who=who, what=f"study {number} readers added", text=", ".join(names))
            add_deed(connection, deed)

    def score(self, number: int, code: str, name: str, said: Said) -> None:
        """Keep what a reader says of a case, in place of what they said before.

        Raises
        ------
        NothingThere
            They do not read the study.
        Overtaken
            They have finished, or the study is closed.
        """
        now = self._clock()
        with writing(self._engine) as connection:
            _open(connection, number)
            _reading(connection, number, name)
            who = {"study_id": number, "code": code, "reader": name, "at": now}
            for table in (study_scores, study_remarks):
                connection.execute(delete(table).where(table.c.code == code, table.c.reader == name))
            rows = [{"criterion": criterion, "score": score, **who} for criterion, score in said.scores.items()]
            connection.execute(insert(study_scores), rows)
            if said.remark:
                connection.execute(insert(study_remarks).values(text=said.remark, **who))
            begun = update(study_readers).where(*_of(number, name), study_readers.c.began_at.is_(None))
            connection.execute(begun.values(began_at=now))

    def finish(self, number: int, name: str, *, n_cases: int, who: str) -> None:
        """Let a reader say that they have scored everything; from then on it counts, and stays.

        Raises
        ------
        Overtaken
            They have finished already, or the study is closed.
        WrongCall
            Something has no score yet.
        """
        missing = n_cases - self.reader(number, name).n_scored
        if missing:
            raise WrongCall(f"{missing} images have not been scored yet")
        with writing(self._engine) as connection:
            _open(connection, number)
            _reading(connection, number, name)
            now = self._clock()
            connection.execute(update(study_readers).where(*_of(number, name)).values(finished_at=now))
            add_deed(connection, Deed(at=now, who=who, what=f"study {number} read", text=f"to its end by {name}"))

    def close(self, number: int, *, who: str) -> None:
        """End a study: nobody scores any more, and what has been said stays."""
        with writing(self._engine) as connection:
            _open(connection, number)
            now = self._clock()
            connection.execute(update(studies).where(studies.c.id == number).values(closed_at=now))
            add_deed(connection, Deed(at=now, who=who, what=f"study {number} closed"))

    def delete(self, number: int, *, who: str, reason: str) -> None:
        """Forget what was said and by whom; which jobs were made for it stays, so that none is taken for a patient's.

        Raises
        ------
        Overtaken
            It is open.
        WrongCall
            Nobody says why.
        """
        if not reason.strip():
            raise WrongCall("say why the study is deleted: it goes to the audit trail")
        with writing(self._engine) as connection:
            row = _row(connection, number)
            if row.closed_at is None:
                raise Overtaken(f"study {number} is open; close it first")
            for table in (study_scores, study_remarks, study_readers):
                connection.execute(delete(table).where(table.c.study_id == number))
            now = self._clock()
            gone = {"deleted_at": now, "name": f"{number}{DELETED}{row.name}"[:LONGEST_NAME]}
            connection.execute(update(studies).where(studies.c.id == number).values(gone))
            text = f"{row.name}, made by {row.made_by}: {reason.strip()}"
            add_deed(connection, Deed(at=now, who=who, what=f"study {number} deleted", text=text))

    def scores(self, number: int) -> list[Score]:
        """List everything that was said of the images of a study."""
        with reading(self._engine) as connection:
            return [
                Score(reader=row.reader, code=row.code, criterion=row.criterion, score=row.score, at=row.at)
                for row in _scores(connection, number)
            ]

    def remarks(self, number: int) -> list[Remark]:
        """List what readers have written of the cases of a study."""
        query = select(study_remarks).where(study_remarks.c.study_id == number)
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(study_remarks.c.reader, study_remarks.c.code))
            return [Remark(reader=row.reader, code=row.code, text=row.text, at=row.at) for row in rows]

    def send(self, number: int, destination: str, *, who: str) -> list[DeliveryId]:
        """Queue the series of a study for a destination, in its order; what was queued for it before is not again.

        Raises
        ------
        Overtaken
            Not every image is made yet, or all of them are on their way there already.
        """
        with writing(self._engine) as connection:
            return queue_series(connection, number, destination, who=who, at=self._clock())

    def told(self, number: int, what: str, *, who: str) -> None:
        """Write down that somebody was shown what is kept from readers."""
        with writing(self._engine) as connection:
            add_deed(connection, Deed(at=self._clock(), who=who, what=f"study {number} {what}"))


def _enqueue(connection: Connection, scan: RecordingId, recipe: str, *, who: str, at: datetime) -> JobId:
    row = {"scan_id": scan, "state": JobState.QUEUED, "run_at": at, "created_at": at, "recipe_asked": recipe}
    row |= {"priority": REPLAY_PRIORITY, "released_by": who[:128], "routes_version": version_in_force(connection)}
    job = JobId(connection.execute(insert(jobs).values(row).returning(jobs.c.id)).scalar_one())
    line = Event(at=at, scan_id=scan, job_id=job, who=who[:128], what="queued", text="for a reader study; not sent")
    add_event(connection, line)
    return job


def _add_readers(connection: Connection, number: int, names: Sequence[str]) -> None:
    try:
        for name in names:
            connection.execute(insert(study_readers).values(study_id=number, reader=name))
    except IntegrityError as error:
        raise Overtaken(f"study {number} has one of these readers already") from error


def _kept() -> Select[Any]:
    """Ask for studies that were not deleted."""
    return select(studies).where(studies.c.deleted_at.is_(None))


def _row(connection: Connection, number: int) -> Row[Any]:
    row = connection.execute(_kept().where(studies.c.id == number)).one_or_none()
    if row is None:
        raise NothingThere(f"there is no study {number}")
    return row


def _open(connection: Connection, number: int) -> None:
    if _row(connection, number).closed_at is not None:
        raise Overtaken(f"study {number} is closed")


def _of(number: int, name: str) -> tuple[Any, ...]:
    return (study_readers.c.study_id == number, study_readers.c.reader == name)


def _reading(connection: Connection, number: int, name: str) -> None:
    row = connection.execute(select(study_readers).where(*_of(number, name)).with_for_update()).one_or_none()
    if row is None:
        raise NothingThere(f"{name!r} does not read study {number}")
    if row.finished_at is not None:
        raise Overtaken(f"{name} has finished study {number}; scores are not changed any more")


def _scores(connection: Connection, number: int) -> Sequence[Row[Any]]:
    query = select(study_scores).where(study_scores.c.study_id == number)
    return connection.execute(query.order_by(study_scores.c.code, study_scores.c.reader)).all()


def _study(row: Row[Any]) -> Study:
    fields: dict[str, Any] = {name: getattr(row, name) for name in Study.__dataclass_fields__}
    fields["design"] = Design(row.design)
    return Study(**{**fields, "criteria": tuple(Criterion(**one) for one in row.criteria)})
