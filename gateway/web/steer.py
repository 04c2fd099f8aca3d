"""The routes on the page: edit with faults beside their lines, see who would go elsewhere, apply, compare, go back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from gateway.control import RECENT, Control, Trial
from gateway.jobs.queries import Queries
from gateway.model.errors import RoutesFault, WrongCall
from gateway.routing.choose import explain
from gateway.routing.facts import facts_told
from gateway.steering import Steering
from gateway.web.addresses import Number, Version
from gateway.web.door import Filled, ForeignForm, Form, MayLook, MaySteer, Visitor
from gateway.web.pages import Pages

VERSIONS = 50
SOURCE = "these routes"
LONGEST_COMMENT = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Editor:
    """The page on which the routes are read and written."""

    steering: Steering
    pages: Pages

    def show(
        self,
        visitor: Visitor,
        text: str,
        *,
        faults: Sequence[str] = (),
        seen: int | None = None,
        status: int = HTTPStatus.OK,
    ) -> HTMLResponse:
        """Show a text, what is wrong with it, and what came into force since the version ``seen``."""
        base = self.steering.in_force()
        return self.pages.show(
            "routes.html",
            status=status,
            visitor=visitor,
            text=text,
            faults=faults,
            base=base,
            seen=seen,
            meanwhile=[] if seen is None else self.steering.difference(seen, base),
            history=self.steering.history(VERSIONS),
            recent=RECENT,
        )

    def answer(self, visitor: Visitor, text: str, change: Callable[[], int], *, seen: int | None = None) -> Response:
        """Change the routes; where that is refused, show the text again with the reasons."""
        try:
            change()
        except RoutesFault as fault:
            return self.show(visitor, text, faults=fault.faults, status=HTTPStatus.UNPROCESSABLE_ENTITY)
        except WrongCall as fault:
            return self.show(visitor, text, faults=[str(fault)], seen=seen, status=HTTPStatus.CONFLICT)
        return RedirectResponse("/routes", HTTPStatus.SEE_OTHER)


def reading(steering: Steering, queries: Queries, pages: Pages) -> APIRouter:
    """Show the routes, their versions, and what they make of a scan."""
    router, editor = APIRouter(), Editor(steering=steering, pages=pages)

    @router.get("/routes")
    def routes(visitor: MayLook) -> HTMLResponse:
        return editor.show(visitor, steering.toml(steering.in_force()))

    @router.get("/routes/versions/{number}")
    def version(number: Version, visitor: MayLook) -> HTMLResponse:
        in_force = steering.in_force()
        return pages.show(
            "version.html",
            visitor=visitor,
            number=number,
            text=steering.toml(number),
            in_force=in_force,
            before=steering.difference(number - 1, number) if number else [],
            since=steering.difference(number, in_force),
        )

    @router.get("/jobs/{number}/explain")
    def explain_job(number: Number, visitor: MayLook) -> HTMLResponse:
        job, in_force = queries.job(number), steering.in_force()
        found = explain(steering.routes(in_force), facts_told(job.scan.facts))
        return pages.show("explain.html", visitor=visitor, job=job, explanation=found, in_force=in_force)

    return router


def writing(control: Control, pages: Pages) -> APIRouter:
    """Check, apply and roll back."""
    steering = control.steering
    router, editor = APIRouter(), Editor(steering=steering, pages=pages)

    @router.post("/routes/check")
    def check(_visitor: MaySteer, form: Filled) -> JSONResponse:
        return JSONResponse(_told(control.try_routes(_text(form), source=SOURCE)))

    @router.post("/routes/apply")
    def apply(visitor: MaySteer, form: Filled) -> Response:
        text, base, comment = _text(form), form.get("base", ""), _comment(form)

        def change() -> int:
            return steering.apply(text, source=SOURCE, who=visitor.who, comment=comment, base=int(base))

        if not base.isdecimal():
            raise ForeignForm("the form says not which version it changes")
        return editor.answer(visitor, text, change, seen=int(base))

    @router.post("/routes/rollback/{number}")
    def roll_back(number: Version, visitor: MaySteer, form: Filled) -> Response:
        def change() -> int:
            return steering.roll_back(number, who=visitor.who, comment=_comment(form))

        return editor.answer(visitor, steering.toml(steering.in_force()), change)

    return router


def _comment(form: Form) -> str:
    return form.get("comment", "")[:LONGEST_COMMENT]


def _text(form: Form) -> str:
    """Take the text as a file has it: a browser ends each line with CR and LF."""
    return form.get("text", "").replace("\r\n", "\n")


def _told(trial: Trial) -> dict[str, object]:
    turned = [
        {"scan": one.scan, "protocol": one.facts.protocol or "", "before": one.before, "after": one.after}
        for one in trial.turns
    ]
    return {**asdict(trial), "turns": turned}
