"""Joiner: blinded reader studies, from the plan to the tables; page, API and commands call the same functions.

What would tell a reader which recipe made an image is asked for here and nowhere else, and whoever reads a study and
has not finished does not get it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.jobs.people import People
from gateway.jobs.queries import Queries
from gateway.jobs.studies import Studies
from gateway.model.errors import NothingThere, Overtaken, WrongCall
from gateway.model.ids import DeliveryId, RecordingId
from gateway.model.person import RIGHTS, Right
from gateway.model.reading import (
    LONGEST_REMARK,
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
from gateway.model.route import Routes
from gateway.reading.cases import REPEATED, Case, cases_of, turned
from gateway.reading.order import blind_order
from gateway.reading.outcome import Outcome, outcome_of
from gateway.reading.plan import plan_faults
from gateway.reading.table import csv_of, pair_table, remark_table, score_table
from gateway.routing.choose import named_recipe

SEED_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a reader has before them; no recipe of it may be shown."""

    study: Study
    reader: Reader
    cases: tuple[Case, ...]
    """In the order of this reader."""
    turned: frozenset[str]
    """Of these pairs they see the second image on the left."""
    scored: frozenset[str]
    """Of these they have given a score by every criterion."""

    @property
    def codes(self) -> tuple[str, ...]:
        """Name what is read, in the order of this reader."""
        return tuple(one.code for one in self.cases)

    @property
    def next(self) -> str | None:
        """The first that has not been scored; None after the last."""
        return next((code for code in self.codes if code not in self.scored), None)

    def place(self, code: str) -> int:
        """Say which one it is, from 1.

        Raises
        ------
        NothingThere
            It is none of this study.
        """
        if code not in self.codes:
            raise NothingThere(f"there is no such image in study {self.study.id}")
        return self.codes.index(code) + 1

    def seen(self, code: str) -> tuple[StudyImage, ...]:
        """Give the image, or both from left to right."""
        case = self.cases[self.place(code) - 1]
        if case.second is None:
            return (case.first,)
        return (case.second, case.first) if code in self.turned else (case.first, case.second)

    def facing(self, code: str, scores: Mapping[str, int]) -> dict[str, int]:
        """Turn scores as they are kept into those that the reader sees, from left to right; or the other way."""
        n = self.study.points + 1
        return {name: n - score for name, score in scores.items()} if code in self.turned else dict(scores)


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
        order = blind_order(plan.seed, "", known)
        if plan.design is Design.SCORES:  # of a pair shown once more, the images are there already
            order += blind_order(plan.seed, REPEATED, known)[: plan.repeats]
        return self.kept.make(plan, [each[key] for key in order], who=who)

    def _faults(self, wanted: StudyPlan) -> Iterator[str]:
        """Say everything that is wrong with a plan, but for its scans."""
        yield from plan_faults(wanted)
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

    def cases(self, number: int) -> list[Case]:
        """List what is put before the readers of a study."""
        return cases_of(self.kept.study(number), self.kept.images(number))

    def task(self, number: int, reader: str) -> Task:
        """Put a study before a reader, in their own order.

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
        cases = {one.code: one for one in cases_of(study, images)}
        order = blind_order(study.seed, reader, [(one.code, one.scan, one.recipes) for one in cases.values()])
        given = self.given(number, reader)
        return Task(
            study=study,
            reader=reading,
            cases=tuple(cases[code] for code in order),
            turned=turned(study.seed, reader, list(cases.values())) if study.design is Design.PAIRS else frozenset(),
            scored=frozenset(code for code, scores in given.items() if len(scores) == len(study.criteria)),
        )

    def given(self, number: int, reader: str) -> dict[str, dict[str, int]]:
        """Look up what a reader has said, by code and criterion."""
        found: dict[str, dict[str, int]] = {}
        for one in self.kept.scores(number):
            if one.reader == reader:
                found.setdefault(one.code, {})[one.criterion] = one.score
        return found

    def remark(self, number: int, code: str, reader: str) -> str:
        """Look up what a reader has written."""
        mine = (one.text for one in self.kept.remarks(number) if (one.code, one.reader) == (code, reader))
        return next(mine, "")

    def score(self, number: int, code: str, reader: str, said: Said) -> None:
        """Keep what a reader says, as they see it: of a pair from left to right.

        Raises
        ------
        WrongCall
            A criterion has no score, or one that is not on the scale; or the remark is too long.
        """
        task = self.task(number, reader)
        task.place(code)
        study, given = task.study, said.scores
        missing = [one.name for one in study.criteria if not 1 <= given.get(one.name, 0) <= study.points]
        if missing or len(given) > len(study.criteria):
            raise WrongCall(f"a score from 1 to {study.points} is missing for: {', '.join(missing) or 'nothing else'}")
        remark = "".join(one for one in said.remark.strip() if one.isprintable() or one == "\n")
        if len(remark) > LONGEST_REMARK:
            raise WrongCall(f"a remark has at most {LONGEST_REMARK} characters")
        self.kept.score(number, code, reader, Said(scores=task.facing(code, given), remark=remark))

    def finish(self, number: int, reader: str, *, who: str) -> None:
        """Let a reader say that they have scored everything."""
        self.kept.finish(number, reader, n_cases=len(self.cases(number)), who=who)

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
        return outcome_of(study, self.cases(number), given, finished)

    def remarks(self, number: int, *, asks: str) -> list[tuple[Remark, Case]]:
        """List what the readers who have finished have written, and of what."""
        _, finished = self._finished(number, asks)
        cases = {one.code: one for one in self.cases(number)}
        return [(one, cases[one.code]) for one in self.kept.remarks(number) if one.reader in finished]

    def table(self, number: int, *, asks: str) -> str:
        """Write every score of the readers who have finished as CSV."""
        study, finished = self._finished(number, asks)
        cases, scores = self.cases(number), self._counted(number, finished)
        return score_table(cases, scores) if study.design is Design.SCORES else pair_table(study, cases, scores)

    def remark_table(self, number: int, *, asks: str) -> str:
        """Write every remark of the readers who have finished as CSV."""
        found = self.remarks(number, asks=asks)
        return remark_table([case for _, case in found], [remark for remark, _ in found])

    def key(self, number: int, *, who: str, asks: str) -> str:
        """Write which image is which as CSV; that somebody has asked for it is audited."""
        self._finished(number, asks)
        self.kept.told(number, "key shown", who=who)
        rows = ((one.number, one.code, one.scan, one.recipe, one.job) for one in self.kept.images(number))
        return csv_of(("image", "code", "scan", "recipe", "job"), rows)

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
