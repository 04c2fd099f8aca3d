"""Scans, jobs and deliveries: list, show, and what a person may do to them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Body, Query

from gateway.api.gate import MayAct, MayLook
from gateway.api.words import Again, Before, BeforeScan, Limit, Listed, Number, Review, ScanId, Why, listed
from gateway.control import Control
from gateway.jobs.joblog import LogLine
from gateway.jobs.queries import EventView, JobView, ScanView
from gateway.jobs.rulings import RulingView
from gateway.model.delivery import DeliveryState
from gateway.model.ids import DeliveryId
from gateway.model.job import JobState
from gateway.model.work import DEEDS, WorkEvent
from gateway.routing.choose import Verdict

MaybeWhy = Annotated[Why, Body(default_factory=Why)]
MaybeAgain = Annotated[Again, Body(default_factory=Again)]


class Deed(StrEnum):
    """What a person may do; what the state does not allow is refused."""

    RETRY = "retry"
    HOLD = "hold"
    RELEASE = "release"
    CANCEL = "cancel"
    RESEND = "resend"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanStory:
    """A scan and its jobs, oldest first."""

    scan: ScanView
    jobs: list[JobView]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryDone:
    """Where a delivery stands now."""

    id: DeliveryId
    state: DeliveryState


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """What every rule says to a scan, and what would be done with it."""

    verdicts: list[Verdict]
    rule: str | None
    recipe: str | None
    destinations: list[str]
    why: list[str]
    refusal: str
    """Why there is no choice; then the scan is held with these words."""


def scans(control: Control) -> APIRouter:
    """Serve scans."""
    router, queries = APIRouter(prefix="/scans", tags=["scans"]), control.queries

    @router.get("", summary="List the newest scans")
    def scans_list(_caller: MayLook, limit: Limit = 50, before: BeforeScan = None) -> Listed[ScanView]:
        found = queries.scans(limit, before=before)
        return listed(found, limit, found[-1].id if found else None)

    @router.get("/{scan}", summary="Show a scan and its jobs")
    def scan_show(_caller: MayLook, scan: ScanId) -> ScanStory:
        found = queries.scan(scan)
        return ScanStory(scan=found, jobs=queries.jobs_of_scan(found.id))

    @router.get("/{scan}/explanation", summary="Say what the routes in force would do with a scan")
    def scan_explain(_caller: MayLook, scan: ScanId) -> Explained:
        found = control.explain(scan)
        choice = found.choice
        return Explained(
            verdicts=list(found.verdicts),
            rule=choice.rule.name if choice else None,
            recipe=choice.recipe_name if choice else None,
            destinations=list(choice.destinations) if choice else [],
            why=list(choice.why) if choice else [],
            refusal=found.refusal,
        )

    @router.post("/{scan}/replay", summary="Reconstruct a scan again, in a new job", status_code=HTTPStatus.CREATED)
    def scan_replay(caller: MayAct, scan: ScanId, again: MaybeAgain) -> JobView:
        return queries.job(control.replay(scan, recipe=again.recipe, who=caller.who))

    return router


def jobs(control: Control) -> APIRouter:
    """Serve jobs."""
    router, queries = APIRouter(prefix="/jobs", tags=["jobs"]), control.queries

    @router.get("", summary="List the newest jobs")
    def jobs_list(
        _caller: MayLook,
        limit: Limit = 50,
        before: Before = None,
        state: Annotated[JobState | None, Query(description="Only those in this state.")] = None,
    ) -> Listed[JobView]:
        found = queries.jobs(limit, state, before=before)
        return listed(found, limit, found[-1].id if found else None)

    @router.get("/{number}", summary="Show a job")
    def job_show(_caller: MayLook, number: Number) -> JobView:
        return queries.job(number)

    @router.get("/{number}/events", summary="Tell the story of a job, from the first byte of its scan on")
    def job_events(_caller: MayLook, number: Number) -> list[EventView]:
        return queries.timeline(queries.job(number))

    @router.get("/{number}/log", summary="List what was logged while the job ran")
    def job_log(_caller: MayLook, number: Number) -> list[LogLine]:
        return queries.log(queries.job(number).id)

    @router.post("/{number}/{deed}", summary="Do to a job what a person may do")
    def job_act(caller: MayAct, number: Number, deed: Deed, why: MaybeWhy) -> JobView:
        event = DEEDS[deed]
        if event is WorkEvent.RESEND:
            control.resend(number, who=caller.who, reason=why.reason)
        else:
            control.jobs.act(number, event, who=caller.who, reason=why.reason)
        return queries.job(number)

    return router


def reviews(control: Control) -> APIRouter:
    """Serve what the quality gate says, and what people decide about it."""
    router, queries = APIRouter(prefix="/jobs", tags=["jobs"]), control.queries

    @router.get("/{number}/ruling", summary="Show what the quality gate said of a job's images")
    def job_ruling(_caller: MayLook, number: Number) -> RulingView | None:
        return queries.ruling(queries.job(number).id)

    @router.post("/{number}/review", summary="Say what becomes of images that the quality gate has held")
    def job_review(caller: MayAct, number: Number, review: Review) -> JobView:
        control.jobs.review(number, review.decision, who=caller.who, reason=review.reason)
        return queries.job(number)

    return router


def deliveries(control: Control) -> APIRouter:
    """Serve deliveries; they are shown with their jobs."""
    router = APIRouter(prefix="/deliveries", tags=["deliveries"])

    @router.post("/{number}/{deed}", summary="Do to a delivery what a person may do")
    def delivery_act(caller: MayAct, number: Number, deed: Deed, why: MaybeWhy) -> DeliveryDone:
        state = control.deliveries.act(number, DEEDS[deed], who=caller.who, reason=why.reason)
        return DeliveryDone(id=DeliveryId(number), state=state)

    return router
