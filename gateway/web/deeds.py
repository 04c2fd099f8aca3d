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
from gateway.web.addresses import Number, ScanId
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

    @router.post("/jobs/{number}/resend")
    def resend(number: Number, visitor: MayAct, form: Filled) -> RedirectResponse:
        control.resend(number, who=visitor.who, reason=_reason(form))
        return _back(form, number)

    @router.post("/jobs/{number}/{deed}")
    def to_job(number: Number, deed: str, visitor: MayAct, form: Filled) -> RedirectResponse:
        control.jobs.act(number, _event(deed), who=visitor.who, reason=_reason(form))
        return _back(form, number)

    @router.post("/deliveries/{number}/{deed}")
    def to_delivery(number: Number, deed: str, visitor: MayAct, form: Filled) -> RedirectResponse:
        control.deliveries.act(number, _event(deed), who=visitor.who, reason=_reason(form))
        return _back(form)

    @router.post("/scans/{scan}/replay")
    def replay(scan: ScanId, visitor: MayAct, form: Filled) -> RedirectResponse:
        return _to_job(control.replay(scan, recipe=form.get("recipe", ""), who=visitor.who))

    return router


def _back(form: Mapping[str, str], job: int | None = None) -> RedirectResponse:
    """Go back to where the button was: the list of what is held, or the job."""
    if form.get("back") == "held":
        return RedirectResponse("/held", HTTPStatus.SEE_OTHER)
    known = job or form.get("job", "")
    return _to_job(int(known)) if str(known).isdecimal() else RedirectResponse("/", HTTPStatus.SEE_OTHER)


def _to_job(number: int) -> RedirectResponse:
    return RedirectResponse(f"/jobs/{number}", HTTPStatus.SEE_OTHER)


def _event(deed: str) -> WorkEvent:
    if deed not in DEEDS:
        raise WrongCall(f"nobody can {deed!r} anything")
    return DEEDS[deed]


def _reason(form: Mapping[str, str]) -> str:
    return form.get("reason", "")[:LONGEST_REASON]
