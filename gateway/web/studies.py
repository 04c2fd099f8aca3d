"""Studies on the page: what one has to read; and, for those who make them, plans, progress and tables."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from gateway.model.errors import Overtaken, WrongCall
from gateway.model.ids import RecordingId
from gateway.model.job import JobState
from gateway.model.person import RIGHTS, Right
from gateway.model.reading import CRITERIA, Criterion, Design, StudyPlan
from gateway.studies import ReaderStudies, criterion_of
from gateway.web.addresses import Number
from gateway.web.deeds import LONGEST_REASON
from gateway.web.door import Filled, Form, MayRead, MayStudy, Visitor
from gateway.web.pages import Pages

RECENT = 20
"""Scans that the form names, to be copied from."""
LONGEST_COUNT = 4
"""Digits of a number that somebody fills in."""
AS_ASKED = "\n".join(f"{one.name}: {one.question}" for one in CRITERIA)


def reading_list(studies: ReaderStudies, pages: Pages) -> APIRouter:
    """Serve the page where everybody finds what they read, and those who make studies all of them."""
    router = APIRouter(prefix="/studies")

    def show(visitor: Visitor, *, form: Form | None = None, fault: str = "", status: int = 200) -> HTMLResponse:
        mine = [(one, studies.kept.reader(one.id, visitor.name)) for one in studies.kept.of_reader(visitor.name)]
        makes = visitor.may(Right.STUDY)
        return pages.show(
            "studies.html",
            status=status,
            visitor=visitor,
            mine=[(one, reader, _made(studies, one.id), len(studies.cases(one.id))) for one, reader in mine],
            studies=[(one, studies.kept.readers(one.id)) for one in studies.kept.all()] if makes else [],
            recipes=sorted(studies.routes.recipes) if makes else [],
            projects=sorted(studies.routes.projects) if makes else [],
            scans=[one for one in studies.queries.scans(RECENT) if one.n_acquisitions] if makes else [],
            people=[one for one in studies.people.all() if not one.disabled] if makes else [],
            looks={role: Right.LOOK in rights for role, rights in RIGHTS.items()},
            form=form or {"criteria": AS_ASKED, "points": "5"},
            fault=fault,
        )

    @router.get("")
    def everything(visitor: MayRead) -> HTMLResponse:
        return show(visitor)

    @router.post("")
    def make(visitor: MayStudy, form: Filled) -> Response:
        try:
            made = studies.make(_plan(form), who=visitor.who)
        except WrongCall as fault:
            return show(visitor, form=form, fault=str(fault), status=HTTPStatus.UNPROCESSABLE_ENTITY)
        return RedirectResponse(f"/studies/{made.id}", HTTPStatus.SEE_OTHER)

    return router


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """Where a study lies before those who make them."""

    studies: ReaderStudies
    pages: Pages

    def show(self, number: int, visitor: Visitor, *, fault: str = "", status: int = 200) -> HTMLResponse:
        """Show a study, and what it found to those who may know it."""
        studies, why_not = self.studies, ""
        try:
            outcome, remarks = studies.outcome(number, asks=visitor.name), studies.remarks(number, asks=visitor.name)
        except Overtaken as refusal:
            outcome, remarks, why_not = None, [], str(refusal)
        return self.pages.show(
            "study.html",
            status=status,
            visitor=visitor,
            study=studies.kept.study(number),
            images=studies.images(number),
            n_cases=len(studies.cases(number)),
            readers=studies.kept.readers(number),
            may_find_out=studies.may_find_out(number),
            outcome=outcome,
            remarks=remarks,
            why_not=why_not,
            destinations=list(studies.routes.destinations),
            fault=fault,
        )

    def do(self, number: int, visitor: Visitor, deed: Callable[[], object], *, then: str = "") -> Response:
        """Do something, and show the study again, or what is wrong."""
        try:
            deed()
        except WrongCall as fault:
            return self.show(number, visitor, fault=str(fault), status=HTTPStatus.CONFLICT)
        return RedirectResponse(then or f"/studies/{number}", HTTPStatus.SEE_OTHER)


def study_pages(office: Office) -> APIRouter:
    """Serve the page of one study, for those who make them."""
    router, studies = APIRouter(prefix="/studies/{number}"), office.studies

    @router.get("")
    def one(number: Number, visitor: MayStudy) -> HTMLResponse:
        return office.show(number, visitor)

    @router.post("/readers")
    def readers(number: Number, visitor: MayStudy, form: Filled) -> Response:
        names = _names(form.get("readers", ""))
        return office.do(number, visitor, lambda: studies.add_readers(number, names, who=visitor.who))

    @router.post("/close")
    def close(number: Number, visitor: MayStudy) -> Response:
        return office.do(number, visitor, lambda: studies.kept.close(number, who=visitor.who))

    @router.post("/delete")
    def delete(number: Number, visitor: MayStudy, form: Filled) -> Response:
        why = form.get("reason", "")[:LONGEST_REASON]
        return office.do(
            number, visitor, lambda: studies.kept.delete(number, who=visitor.who, reason=why), then="/studies"
        )

    @router.post("/export")
    def export(number: Number, visitor: MayStudy, form: Filled) -> Response:
        destination = form.get("destination", "")
        return office.do(number, visitor, lambda: studies.export(number, destination, who=visitor.who))

    return router


def study_files(studies: ReaderStudies) -> APIRouter:
    """Serve scores, remarks and key as files, for those who make studies."""
    router = APIRouter(prefix="/studies/{number}")

    @router.get("/scores.csv")
    def scores(number: Number, visitor: MayStudy) -> Response:
        return _file(studies.table(number, asks=visitor.name), f"study-{number}-scores.csv")

    @router.get("/remarks.csv")
    def remarks(number: Number, visitor: MayStudy) -> Response:
        return _file(studies.remark_table(number, asks=visitor.name), f"study-{number}-remarks.csv")

    @router.post("/key.csv")
    def key(number: Number, visitor: MayStudy) -> Response:
        return _file(studies.key(number, who=visitor.who, asks=visitor.name), f"study-{number}-key.csv")

    return router


def _made(studies: ReaderStudies, number: int) -> tuple[int, int]:
    """Count images that are made, and all."""
    states = [image.state for image in studies.kept.images(number)]
    return states.count(JobState.DONE), len(states)


def _plan(form: Form) -> StudyPlan:
    points, repeats = form.get("points", ""), form.get("repeats", "") or "0"
    return StudyPlan(
        name=form.get("name", "").strip(),
        scans=tuple(RecordingId(one) for one in _words(form.get("scans", ""))),
        recipes=tuple(_words(form.get("recipes", ""))),
        readers=tuple(_names(form.get("readers", ""))),
        criteria=_criteria(form.get("criteria", "")),
        design=Design.PAIRS if form.get("design") == Design.PAIRS else Design.SCORES,
        points=int(points) if points.isdecimal() and len(points) == 1 else 0,
        repeats=int(repeats) if repeats.isdecimal() and len(repeats) <= LONGEST_COUNT else -1,
        project=form.get("project", ""),
        seed=form.get("seed", "").strip()[:64],
    )


def _criteria(text: str) -> tuple[Criterion, ...]:
    """Read criteria line by line; those that were not changed keep what their ends mean."""
    known = {f"{one.name}: {one.question}": one for one in CRITERIA}
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return tuple(known.get(line) or criterion_of(line) for line in lines)


def _words(text: str) -> list[str]:
    return [one for one in re.split(r"[,\s]+", text) if one]


def _names(text: str) -> list[str]:
    """Read names of people, which may have spaces in them."""
    return [name for one in re.split(r"[,\n]+", text) if (name := one.strip())]


def _file(text: str, name: str) -> Response:
    return Response(text, media_type="text/csv", headers={"Content-Disposition": f'attachment; filename="{name}"'})
