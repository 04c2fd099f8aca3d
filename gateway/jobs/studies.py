"""Reader studies in SQL: the images that are made for them, who reads, and what they say."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from gateway.jobs.audit import Deed, add_deed
from gateway.jobs.clock import Clock
from gateway.jobs.database import reading, writing
from gateway.jobs.events import Event, add_event
from gateway.jobs.route_versions import version_in_force
from gateway.jobs.scans import REPLAY_PRIORITY
from gateway.jobs.study_tables import studies, study_images, study_readers, study_scores
from gateway.jobs.tables import deliveries, jobs, series
from gateway.model.delivery import DeliveryState
from gateway.model.errors import NothingThere, Overtaken, WrongCall
from gateway.model.ids import DeliveryId, JobId, RecordingId
from gateway.model.job import JobState
from gateway.model.reading import BlindImage, Criterion, Reader, Score, Study, StudyImage, StudyPlan

CODE_BYTES = 16


class Studies:
    """Studies: made, read, finished, closed."""

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
            return [_study(row) for row in connection.execute(select(studies).order_by(studies.c.id.desc()))]

    def of_reader(self, name: str) -> list[Study]:
        """List the open studies that somebody reads, oldest first."""
        query = select(studies).join(study_readers, study_readers.c.study_id == studies.c.id)
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
            row = connection.execute(select(studies).where(studies.c.name == name)).one_or_none()
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

    def score(self, number: int, code: str, name: str, scores: Mapping[str, int]) -> None:
        """Keep what a reader says of an image, in place of what they said before.

        Raises
        ------
        NothingThere
            It is no image of a study that they read.
        Overtaken
            They have finished, or the study is closed.
        """
        now = self._clock()
        with writing(self._engine) as connection:
            _open(connection, number)
            _reading(connection, number, name)
            mine = (study_images.c.study_id == number, study_images.c.code == code)
            if connection.execute(select(study_images.c.code).where(*mine)).one_or_none() is None:
                raise NothingThere(f"there is no such image in study {number}")
            said = (study_scores.c.code == code, study_scores.c.reader == name)
            connection.execute(delete(study_scores).where(*said))
            rows = [{"criterion": criterion, "score": score} for criterion, score in scores.items()]
            connection.execute(insert(study_scores), [{"code": code, "reader": name, "at": now, **row} for row in rows])
            begun = update(study_readers).where(*_of(number, name), study_readers.c.began_at.is_(None))
            connection.execute(begun.values(began_at=now))

    def finish(self, number: int, name: str, *, who: str) -> None:
        """Let a reader say that they have scored everything; from then on it counts, and stays.

        Raises
        ------
        Overtaken
            They have finished already, or the study is closed.
        WrongCall
            Something has no score yet.
        """
        missing = len(self.images(number)) - self.reader(number, name).n_scored
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

    def scores(self, number: int) -> list[Score]:
        """List everything that was said of the images of a study."""
        with reading(self._engine) as connection:
            return [
                Score(reader=row.reader, code=row.code, criterion=row.criterion, score=row.score, at=row.at)
                for row in _scores(connection, number)
            ]

    def send(self, number: int, destination: str, *, who: str) -> list[DeliveryId]:
        """Queue the series of a study for a destination, in its order; what was queued for it before is not again.

        Raises
        ------
        Overtaken
            Not every image is made yet, or all of them are on their way there already.
        """
        with writing(self._engine) as connection:
            rows = connection.execute(_series_of(number)).all()
            if waiting := sum(row.state != JobState.DONE for row in rows):
                raise Overtaken(f"{waiting} images of study {number} are not made yet; see their jobs")
            if any(row.deleted_at for row in rows):
                raise Overtaken(f"study {number} was closed long ago, and its images were deleted here")
            now, sent = self._clock(), []
            known = select(deliveries.c.series_id).where(deliveries.c.destination == destination)
            there = set(connection.execute(known.where(deliveries.c.job_id.in_([row.job for row in rows]))).scalars())
            version = version_in_force(connection)
            for row in rows:
                if row.id in there:
                    continue
                values = {"series_id": row.id, "job_id": row.job, "scan_id": row.scan_id, "destination": destination}
                values |= {"state": DeliveryState.PENDING, "priority": REPLAY_PRIORITY, "routes_version": version}
                made = insert(deliveries).values(created_at=now, run_at=now, **values).returning(deliveries.c.id)
                sent.append(DeliveryId(connection.execute(made).scalar_one()))
            if not sent:
                raise Overtaken(f"all of study {number} was queued for {destination} before")
            text = f"{len(sent)} series to {destination}, without patients and recipes"
            add_deed(connection, Deed(at=now, who=who, what=f"study {number} exported", text=text))
        return sent

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


def _row(connection: Connection, number: int) -> Row[Any]:
    row = connection.execute(select(studies).where(studies.c.id == number)).one_or_none()
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
    query = select(study_scores).join(study_images, study_images.c.code == study_scores.c.code)
    query = query.where(study_images.c.study_id == number)
    return connection.execute(query.order_by(study_images.c.number, study_scores.c.reader)).all()


def _series_of(number: int) -> Any:  # noqa: ANN401 - a statement with columns of three tables
    query = select(series.c.id, series.c.deleted_at, jobs.c.id.label("job"), jobs.c.scan_id, jobs.c.state)
    query = query.select_from(study_images)
    query = query.join(jobs, jobs.c.id == study_images.c.job_id).outerjoin(series, series.c.job_id == jobs.c.id)
    return query.where(study_images.c.study_id == number).order_by(study_images.c.number, series.c.id)


def _study(row: Row[Any]) -> Study:
    fields: dict[str, Any] = {name: getattr(row, name) for name in Study.__dataclass_fields__}
    return Study(**{**fields, "criteria": tuple(Criterion(**one) for one in row.criteria)})
