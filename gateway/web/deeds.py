"""What people do to jobs and deliveries: the buttons, and which of them a state allows."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from fastapi import APIRouter
from fastapi.responses import RedirectResponse

from gateway.control import Control
from gateway.model.delivery import DELIVERY_TRANSITIONS, DeliveryState
from gateway.model.errors import WrongCall
from gateway.model.job import JOB_TRANSITIONS, JobState
from gateway.model.work import DEEDS, WorkEvent
from gateway.web.addresses import Number
from gateway.web.door import Filled, MayAct

LONGEST_REASON = 500


def deeds_for_job(state: JobState) -> list[str]:
    """List what a person may do to a job."""
    return [word for word, event in DEEDS.items() if (state, event) in JOB_TRANSITIONS]


def deeds_for_delivery(state: DeliveryState) -> list[str]:
    """List what a person may do to a delivery."""
    return [word for word, event in DEEDS.items() if (state, event) in DELIVERY_TRANSITIONS]


def deeds(control: Control) -> APIRouter:
    """Serve the buttons."""
    router = APIRouter()

    @router.post("/jobs/{number}/{deed}")
    def to_job(number: Number, deed: str, visitor: MayAct, form: Filled) -> RedirectResponse:
        control.jobs.act(number, _event(deed), who=visitor.who, reason=_reason(form))
        return RedirectResponse(f"/jobs/{number}", HTTPStatus.SEE_OTHER)

    @router.post("/deliveries/{number}/{deed}")
    def to_delivery(number: Number, deed: str, visitor: MayAct, form: Filled) -> RedirectResponse:
        control.deliveries.act(number, _event(deed), who=visitor.who, reason=_reason(form))
        job = form.get("job", "")
        return RedirectResponse(f"/jobs/{job}" if job.isdecimal() else "/", HTTPStatus.SEE_OTHER)

    return router


def _event(deed: str) -> WorkEvent:
    if deed not in DEEDS:
        raise WrongCall(f"nobody can {deed!r} anything")
    return DEEDS[deed]


def _reason(form: Mapping[str, str]) -> str:
    return form.get("reason", "")[:LONGEST_REASON]
