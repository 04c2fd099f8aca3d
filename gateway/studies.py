"""Joiner: blinded reader studies, from the plan to the tables; page, API and commands call the same functions.

What would tell a reader which recipe made an image is asked for here and nowhere else, and whoever reads a study and
has not finished does not get it.
"""

from __future__ import annotations

import csv
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from io import StringIO

from gateway.jobs.people import People
from gateway.jobs.queries import Queries
from gateway.jobs.studies import Studies
from gateway.model.errors import NothingThere, Overtaken, WrongCall
from gateway.model.ids import DeliveryId, RecordingId
from gateway.model.person import RIGHTS, Right
from gateway.model.reading import (
    FEWEST_POINTS,
    LONGEST_NAME,
    MOST_CRITERIA,
    MOST_IMAGES,
    MOST_POINTS,
    Criterion,
    Reader,
    Score,
    Study,
    StudyImage,
    StudyPlan,
)
from gateway.model.route import Routes
from gateway.reading.order import blind_order
from gateway.reading.outcome import Outcome, outcome_of, repeated
from gateway.routing.choose import named_recipe

COLUMNS = ("reader", "scan", "recipe", "image", "repeats", "criterion", "score", "at")
SEED_BYTES = 16
REPEATED = "\0repeated"
"""Stands for a reader where it is drawn which images are shown twice; nobody can have the name."""
FEWEST_RECIPES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a reader has before them; there is no recipe in it."""

    study: Study
    reader: Reader
    codes: tuple[str, ...]
    """Of all images, in the order of this reader."""
    scored: frozenset[str]
    """Of the images that have a score by every criterion."""

    @property
    def next(self) -> str | None:
        """The first image that has not been scored; None after the last."""
        return next((code for code in self.codes if code not in self.scored), None)

    def place(self, code: str) -> int:
        """Say which one an image is, from 1.

        Raises
        ------
        NothingThere
            It is none of this study.
        """
        if code not in self.codes:
            raise NothingThere(f"there is no such image in study {self.study.id}")
        return self.codes.index(code) + 1


@dataclass(frozen=True, kw_only=True)
class ReaderStudies:
    """Everything that may be asked of studies; whoever asks has been let in already."""

    kept: Studies
    queries: Queries
    people: People
    in_force: Callable[[], Routes]

    @property
    def routes(self) -> Routes:
        """The routes in force."""
        return self.in_force()

    def make(self, wanted: StudyPlan, *, who: str) -> Study:
        """Make a study; its images are reconstructed as soon as a worker has time, and sent nowhere.

        Parameters
        ----------
        wanted
            Scans by the beginnings of their ids; without a seed, one is drawn.

        Raises
        ------
        WrongCall
            Something of the plan is not there, or cannot be.
        """
        faults = list(self._faults(wanted))
        if faults:
            raise WrongCall("; ".join(faults))
        plan = replace(
            wanted,
            scans=tuple(self._scan(one) for one in wanted.scans),
            seed=wanted.seed or secrets.token_hex(SEED_BYTES),
        )
        if len(set(plan.scans)) < len(plan.scans):
            raise WrongCall("a scan is named twice")
        each = {f"{scan}\0{recipe}": (scan, recipe) for scan in plan.scans for recipe in plan.recipes}
        known = [(key, *made) for key, made in each.items()]
        order = blind_order(plan.seed, "", known) + blind_order(plan.seed, REPEATED, known)[: plan.repeats]
        return self.kept.make(plan, [each[key] for key in order], who=who)

    def _faults(self, wanted: StudyPlan) -> Iterator[str]:
        """Say everything that is wrong with a plan, but for its scans."""
        if not (0 < len(wanted.name) <= LONGEST_NAME and wanted.name.isprintable()):
            yield f"a study's name has 1 to {LONGEST_NAME} printable characters"
        if len(set(wanted.recipes)) < max(FEWEST_RECIPES, len(wanted.recipes)):
            yield "a study compares two recipes or more, each named once"
        n_images = len(wanted.scans) * len(wanted.recipes)
        if not 0 < n_images + max(wanted.repeats, 0) <= MOST_IMAGES:
            yield f"a study has at least one scan, and at most {MOST_IMAGES} images"
        if not 0 <= wanted.repeats <= n_images:
            yield f"from none to all {n_images} images can be shown once more"
        if not FEWEST_POINTS <= wanted.points <= MOST_POINTS:
            yield f"scores go from 1 to {FEWEST_POINTS} at least, and to {MOST_POINTS} at most"
        if wanted.seed and not _usable(wanted.seed):
            yield f"a seed has at most {LONGEST_NAME} printable characters"
        names = {one.name for one in wanted.criteria if _usable(one.name)}
        if not 0 < len(names) == len(wanted.criteria) <= MOST_CRITERIA:
            yield f"a study has 1 to {MOST_CRITERIA} criteria, each with a short name of its own"
        if wanted.project and wanted.project not in self.routes.projects:
            known = ", ".join(self.routes.projects) or "none"
            yield f"there is no project {wanted.project!r} in the routes; known are: {known}"
        for recipe in wanted.recipes:
            named_recipe(self.routes, recipe)
        yield from self._who_cannot_read(wanted.readers)

    def _who_cannot_read(self, names: Sequence[str]) -> Iterator[str]:
        rights = {one.name: RIGHTS[one.role] for one in self.people.all() if not one.disabled}
        for name in names:
            if Right.READ not in rights.get(name, ()):
                yield f"{name!r} has no account that is open"
        if len(set(names)) < len(names):
            yield "a reader is named twice"

    def _scan(self, start_of_id: str) -> RecordingId:
        scan = self.queries.scan(start_of_id)
        if scan.recording is None or scan.n_acquisitions == 0:
            raise WrongCall(f"scan {scan.id} has nothing to reconstruct")
        return scan.id

    def may_find_out(self, number: int) -> list[str]:
        """List the readers whose role lets them look at jobs, where recipes stand: they are trusted not to."""
        can_look = {one.name for one in self.people.all() if Right.LOOK in RIGHTS[one.role]}
        return [one.name for one in self.kept.readers(number) if one.name in can_look]

    def add_readers(self, number: int, names: Sequence[str], *, who: str) -> None:
        """Let more people read a study.

        Raises
        ------
        WrongCall
            Somebody has no account, or reads it already.
        """
        if faults := list(self._who_cannot_read(names)) or ([] if names else ["nobody is named"]):
            raise WrongCall("; ".join(faults))
        self.kept.add_readers(number, names, who=who)

    def task(self, number: int, reader: str) -> Task:
        """Put the images of a study before a reader, in their own order.

        Raises
        ------
        NothingThere
            They do not read it.
        Overtaken
            It is closed, or its images are not all made yet.
        """
        reading, study = self.kept.reader(number, reader), self.kept.study(number)
        if study.closed_at is not None:
            raise Overtaken(f"study {number} is closed")
        images = self.kept.images(number)
        if waiting := sum(one.state != "DONE" for one in images):
            raise Overtaken(f"{waiting} images of study {number} are not made yet")
        given = self.given(number, reader)
        return Task(
            study=study,
            reader=reading,
            codes=tuple(blind_order(study.seed, reader, [(one.code, one.scan, one.recipe) for one in images])),
            scored=frozenset(code for code, scores in given.items() if len(scores) == len(study.criteria)),
        )

    def given(self, number: int, reader: str) -> dict[str, dict[str, int]]:
        """Look up what a reader has said, by code and criterion."""
        found: dict[str, dict[str, int]] = {}
        for one in self.kept.scores(number):
            if one.reader == reader:
                found.setdefault(one.code, {})[one.criterion] = one.score
        return found

    def image(self, number: int, code: str, reader: str) -> StudyImage:
        """Find an image for somebody who reads the study; what is shown of it must be its pixels alone.

        Raises
        ------
        NothingThere
            They do not read it, or it is none of its images.
        """
        self.kept.reader(number, reader)
        found = next((one for one in self.kept.images(number) if one.code == code), None)
        if found is None:
            raise NothingThere(f"there is no such image in study {number}")
        return found

    def score(self, number: int, code: str, reader: str, scores: Mapping[str, int]) -> None:
        """Keep what a reader says of an image.

        Raises
        ------
        WrongCall
            A criterion has no score, or one that is not on the scale.
        """
        study = self.kept.study(number)
        missing = [one.name for one in study.criteria if not 1 <= scores.get(one.name, 0) <= study.points]
        if missing or len(scores) > len(study.criteria):
            raise WrongCall(f"a score from 1 to {study.points} is missing for: {', '.join(missing) or 'nothing else'}")
        self.kept.score(number, code, reader, scores)

    def images(self, number: int) -> list[StudyImage]:
        """List the images of a study by scan and recipe: an order that says nothing of where readers see them."""
        return sorted(self.kept.images(number), key=lambda one: (one.scan, one.recipe))

    def outcome(self, number: int, *, asks: str) -> Outcome:
        """Make the tables of what the readers who have finished have said.

        Raises
        ------
        Overtaken
            Whoever asks reads this study, and has not finished.
        """
        study, finished = self._finished(number, asks)
        given: dict[str, dict[str, dict[str, int]]] = {}
        for one in self._counted(number, finished):
            given.setdefault(one.criterion, {}).setdefault(one.code, {})[one.reader] = one.score
        return outcome_of(study, self.kept.images(number), given, finished)

    def table(self, number: int, *, asks: str) -> str:
        """Write every score of the readers who have finished as CSV (RFC 4180)."""
        _, finished = self._finished(number, asks)
        shown = self.kept.images(number)
        images, pairs = {one.code: one for one in shown}, repeated(shown)
        rows = (
            (one.reader, image.scan, image.recipe, image.number, before, one.criterion, one.score, one.at.isoformat())
            for one in self._counted(number, finished)
            for image in (images[one.code],)
            for before in (images[pairs[one.code]].number if one.code in pairs else "",)
        )
        return _csv(COLUMNS, rows)

    def key(self, number: int, *, who: str, asks: str) -> str:
        """Write which image is which as CSV; that somebody has asked for it is audited."""
        self._finished(number, asks)
        self.kept.told(number, "key shown", who=who)
        rows = ((one.number, one.code, one.scan, one.recipe, one.job) for one in self.kept.images(number))
        return _csv(("image", "code", "scan", "recipe", "job"), rows)

    def export(self, number: int, destination: str, *, who: str) -> list[DeliveryId]:
        """Send the images of a study, without patients and recipes, to a PACS in which they are read.

        Raises
        ------
        WrongCall
            There is no such destination, or the study was made without a project: its images name their patients.
        """
        study = self.kept.study(number)
        if not study.project:
            raise WrongCall(f"study {number} was made without a project: its images name their patients, and stay here")
        if destination not in self.routes.destinations:
            known = ", ".join(self.routes.destinations)
            raise NothingThere(f"{destination!r} is no destination in the routes; known are: {known}")
        return self.kept.send(number, destination, who=who)

    def _finished(self, number: int, asks: str) -> tuple[Study, list[str]]:
        readers = self.kept.readers(number)
        if any(one.name == asks and one.finished_at is None for one in readers):
            raise Overtaken("you read this study and have not finished: what it found so far would tell you too much")
        return self.kept.study(number), [one.name for one in readers if one.finished_at is not None]

    def _counted(self, number: int, readers: Sequence[str]) -> list[Score]:
        return [one for one in self.kept.scores(number) if one.reader in readers]


def criterion_of(text: str) -> Criterion:
    """Read a criterion as people write one: ``name``, or ``name: question``."""
    name, _, question = (part.strip() for part in text.partition(":"))
    return Criterion(name=name, question=question or f"{name.capitalize()}?", worst="worst", best="best")


def _usable(name: str) -> bool:
    return 0 < len(name) <= LONGEST_NAME and name.isprintable()


def _csv(columns: Sequence[str], rows: Iterator[tuple[object, ...]]) -> str:
    """Write a table; a cell that a spreadsheet would take for a formula begins with an apostrophe."""
    text = StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([_plain(cell) for cell in row] for row in rows)
    return text.getvalue()


def _plain(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@") else cell
