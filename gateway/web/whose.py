"""Whose scan it is: the candidates of a held job, for those who may act, and the choice among them."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse

from gateway.control import Control
from gateway.model.errors import Overtaken
from gateway.model.identity import HEADER
from gateway.web.addresses import Number
from gateway.web.deeds import LONGEST_REASON
from gateway.web.door import Filled, MayAct
from gateway.web.pages import Pages


def whose(control: Control, pages: Pages) -> APIRouter:
    """Serve the page of the candidates; it is the only one that names patients."""
    router = APIRouter()

    @router.get("/jobs/{number}/candidates")
    def candidates(number: Number, visitor: MayAct) -> HTMLResponse:
        job = control.queries.job(number)
        found = control.queries.candidates(job)
        return pages.show("whose.html", visitor=visitor, job=job, candidates=found, scanner=HEADER)

    @router.post("/jobs/{number}/candidates")
    def choose(number: Number, visitor: MayAct, form: Filled) -> RedirectResponse:
        key, why = form.get("candidate", ""), form.get("reason", "")[:LONGEST_REASON]
        if key not in {one.key for one in control.queries.candidates(control.queries.job(number))}:
            raise Overtaken("this candidate is not there any more; look again")
        control.jobs.choose(number, key, who=visitor.who, reason=why)
        return RedirectResponse(f"/jobs/{number}", HTTPStatus.SEE_OTHER)

    return router
