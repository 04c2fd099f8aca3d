"""Reading: the pages of those who score images. They learn of an image its pixels and its place, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from gateway.model.errors import WrongCall
from gateway.studies import ReaderStudies, Task
from gateway.web.addresses import Number
from gateway.web.door import Filled, Form, MayRead, Visitor
from gateway.web.pages import Pages
from gateway.web.pictures import Pictures, numbers_of
from gateway.web.viewer import Option, Viewer

Code = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lectern:
    """Where images lie that are read."""

    studies: ReaderStudies
    pictures: Pictures
    pages: Pages

    def show(
        self, task: Task, code: str, visitor: Visitor, *, said: dict[str, int] | None = None, fault: str = ""
    ) -> HTMLResponse:
        """Show an image, and what its reader has said of it."""
        number, place = task.study.id, task.place(code)
        job = self.studies.image(number, code, visitor.name).job
        count = sum(sheet.count for sheet in self.pictures.sheets(job))
        base = f"/reading/{number}/{code}/images"
        return self.pages.show(
            "reading.html",
            status=HTTPStatus.UNPROCESSABLE_ENTITY if fault else HTTPStatus.OK,
            visitor=visitor,
            task=task,
            place=place,
            code=code,
            earlier=task.codes[place - 2] if place > 1 else None,
            given=self.studies.given(number, visitor.name).get(code, {}) if said is None else said,
            viewer=Viewer(series=[Option(value=f"1:1:{count}", label=f"Image {place}")], base=base) if count else None,
            fault=fault,
        )


def reading(lectern: Lectern) -> APIRouter:
    """Serve what a reader sees of a study."""
    router, studies = APIRouter(prefix="/reading/{number}"), lectern.studies

    @router.get("")
    def go_on(number: Number, visitor: MayRead) -> Response:
        task = studies.task(number, visitor.name)
        if task.next is None:
            return lectern.pages.show("read.html", visitor=visitor, task=task)
        return RedirectResponse(f"/reading/{number}/{task.next}", HTTPStatus.SEE_OTHER)

    @router.post("/finish")
    def finish(number: Number, visitor: MayRead) -> RedirectResponse:
        studies.kept.finish(number, visitor.name, who=visitor.who)
        return RedirectResponse("/studies", HTTPStatus.SEE_OTHER)

    @router.get("/{code}")
    def look(number: Number, code: Code, visitor: MayRead) -> HTMLResponse:
        return lectern.show(studies.task(number, visitor.name), code, visitor)

    @router.post("/{code}")
    def score(number: Number, code: Code, visitor: MayRead, form: Filled) -> Response:
        task = studies.task(number, visitor.name)
        said = _scores(form, task)
        try:
            studies.score(number, code, visitor.name, said)
        except WrongCall as fault:
            return lectern.show(task, code, visitor, said=said, fault=str(fault))
        return RedirectResponse(f"/reading/{number}", HTTPStatus.SEE_OTHER)

    @router.get("/{code}/images/{image}.u16")
    def pixels(number: Number, code: Code, image: Number, visitor: MayRead) -> Response:
        found = lectern.pictures.grey(studies.image(number, code, visitor.name).job, image)
        if found is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return numbers_of(found)

    return router


def _scores(form: Form, task: Task) -> dict[str, int]:
    """Read the scores; criteria are told apart by their places, whatever they are called."""
    given = {one.name: form.get(f"score-{place}", "") for place, one in enumerate(task.study.criteria)}
    return {name: int(text) for name, text in given.items() if text.isdecimal() and len(text) == 1}
