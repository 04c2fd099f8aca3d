"""The review of images that the gate has held: accept, replace or reject, each with a reason."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter
from fastapi.responses import RedirectResponse

from gateway.control import Control
from gateway.model.errors import WrongCall
from gateway.model.gate import Decision
from gateway.web.addresses import Number
from gateway.web.deeds import LONGEST_REASON
from gateway.web.door import Filled, MayAct


def review(control: Control) -> APIRouter:
    """Serve the buttons of the review."""
    router = APIRouter()

    @router.post("/jobs/{number}/review")
    def decide(number: Number, visitor: MayAct, form: Filled) -> RedirectResponse:
        word, why = form.get("decision", ""), form.get("reason", "")[:LONGEST_REASON]
        if word not in list(Decision):
            raise WrongCall(f"nobody can {word!r} images")
        control.jobs.review(number, Decision(word), who=visitor.who, reason=why)
        return RedirectResponse(f"/jobs/{number}", HTTPStatus.SEE_OTHER)

    return router
