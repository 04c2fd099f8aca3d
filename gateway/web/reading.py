"""Reading: the pages of those who score images. They learn of an image its pixels and its place, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from gateway.model.errors import WrongCall
from gateway.model.picture import Grey
from gateway.model.reading import Design, Said, StudyImage
from gateway.studies import ReaderStudies, Task
from gateway.web.addresses import Number
from gateway.web.door import Filled, Form, MayRead, Visitor
from gateway.web.pages import Pages
from gateway.web.pictures import Pictures, numbers_of
from gateway.web.viewer import Option, Viewer

ANSWERS = {
    3: ("left is better", "no difference", "right is better"),
    5: ("left is much better", "left is better", "no difference", "right is better", "right is much better"),
}
"""What can be said of a pair, by the points of its study."""
Code = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lectern:
    """Where images lie that are read."""

    studies: ReaderStudies
    pictures: Pictures
    pages: Pages

    def show(
        self, task: Task, code: str, visitor: Visitor, *, said: Said | None = None, fault: str = ""
    ) -> HTMLResponse:
        """Show an image, or two, and what its reader has said of it."""
        number, place = task.study.id, task.place(code)
        given = self.studies.given(number, visitor.name).get(code, {})
        return self.pages.show(
            "reading.html",
            status=HTTPStatus.UNPROCESSABLE_ENTITY if fault else HTTPStatus.OK,
            visitor=visitor,
            task=task,
            place=place,
            code=code,
            earlier=task.codes[place - 2] if place > 1 else None,
            given=task.facing(code, given) if said is None else said.scores,
            remark=self.studies.remark(number, code, visitor.name) if said is None else said.remark,
            answers=ANSWERS[task.study.points] if task.study.design is Design.PAIRS else None,
            viewer=self._viewer(task, code),
            fault=fault,
        )

    def _viewer(self, task: Task, code: str) -> Viewer | None:
        """Offer the image, or the left one and the right one to compare it with."""
        counts = [self._count(image) for image in task.seen(code)]
        if not all(counts):
            return None
        place, base = task.place(code), f"/reading/{task.study.id}/{code}/images"
        if len(counts) == 1:
            return Viewer(series=[Option(value=f"1:1:{counts[0]}", label=f"Image {place}")], base=base)
        left, right = counts
        other = Option(value=f"1:{left + 1}:{right}", label="Right", picked=True)
        return Viewer(series=[Option(value=f"1:1:{left}", label="Left")], compared=[other], base=base)

    def _count(self, image: StudyImage) -> int:
        return sum(sheet.count for sheet in self.pictures.sheets(image.job))

    def grey(self, task: Task, code: str, number: int) -> Grey | None:
        """Read an image, counted from 1; those of the right one after those of the left one."""
        for image in task.seen(code):
            count = self._count(image)
            if number <= count:
                return self.pictures.grey(image.job, number)
            number -= count
        return None


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
        studies.finish(number, visitor.name, who=visitor.who)
        return RedirectResponse("/studies", HTTPStatus.SEE_OTHER)

    @router.get("/{code}")
    def look(number: Number, code: Code, visitor: MayRead) -> HTMLResponse:
        return lectern.show(studies.task(number, visitor.name), code, visitor)

    @router.post("/{code}")
    def score(number: Number, code: Code, visitor: MayRead, form: Filled) -> Response:
        task = studies.task(number, visitor.name)
        said = Said(scores=_scores(form, task), remark=form.get("remark", ""))
        try:
            studies.score(number, code, visitor.name, said)
        except WrongCall as fault:
            return lectern.show(task, code, visitor, said=said, fault=str(fault))
        return RedirectResponse(f"/reading/{number}", HTTPStatus.SEE_OTHER)

    @router.get("/{code}/images/{image}.u16")
    def pixels(number: Number, code: Code, image: Number, visitor: MayRead) -> Response:
        found = lectern.grey(studies.task(number, visitor.name), code, image)
        if found is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return numbers_of(found)

    return router


def _scores(form: Form, task: Task) -> dict[str, int]:
    """Read the scores; criteria are told apart by their places, whatever they are called."""
    given = {one.name: form.get(f"score-{place}", "") for place, one in enumerate(task.study.criteria)}
    return {name: int(text) for name, text in given.items() if text.isdecimal() and len(text) == 1}
