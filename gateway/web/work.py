"""The work on the page: the dashboard, the story of each job, what waits for a person; each follows what happens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, StreamingResponse

from gateway.jobs.queries import JobView, Queries
from gateway.model.errors import GatewayError
from gateway.model.picture import Sheet
from gateway.site import Site
from gateway.web.addresses import Number
from gateway.web.deeds import deeds_for_delivery, deeds_for_job
from gateway.web.door import Door, MayLook, Visitor
from gateway.web.live import Live, View, digest_of
from gateway.web.pages import Pages
from gateway.web.pictures import Pictures
from gateway.web.viewer import viewer_of
from gateway.web.worklist import newest, to_decide

STREAM_HEADERS = {"X-Accel-Buffering": "no"}
"""Tells a proxy before the page not to hold a stream back."""

LAST_SEEN = "last-event-id"
ON_THE_DASHBOARD = 5
"""So many of those that wait for a person are named there; the others are a click away."""
ON_A_PAGE = 50
MOST_COMPARED = 12
"""Jobs of a scan that its images may be compared with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where the work is shown."""

    queries: Queries
    pages: Pages
    site: Site | None
    pictures: Pictures | None
    live: Live | None
    door: Door
    recipes: Callable[[], Iterable[str]]
    """The recipes of the routes in force, by name."""

    def show(self, view: View, template: str, visitor: Visitor, source: str) -> HTMLResponse:
        """Show a view as a page that follows what happens from ``source``."""
        values = view.read()
        seen = digest_of(values)
        source = source if self.live else ""
        return self.pages.show(template, visitor=visitor, source=source, seen=seen, **values)

    def stream(self, view: View, request: Request) -> StreamingResponse:
        """Tell a page what changes."""
        if self.live is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        self.live.check_room()
        seen = request.headers.get(LAST_SEEN) or request.query_params.get("seen", "")
        told: AsyncIterator[bytes] = self.live.watch(view, seen, lambda: self._may_stay(request))
        return StreamingResponse(told, media_type="text/event-stream", headers=STREAM_HEADERS)

    def view(self, template: str, visitor: Visitor, key: object, read: Callable[[], Mapping[str, Any]]) -> View:
        """Name a view: it is the same for all who may do the same."""

        def whole() -> dict[str, Any]:
            with self.queries.at_once():
                return {**read(), "rights": sorted(visitor.rights), "stranger": not visitor.name}

        return View(
            key=(template, key, tuple(sorted(visitor.rights)), bool(visitor.name)),
            read=whole,
            draw=lambda values: self.pages.live_parts(template, values),
        )

    def dashboard(self, visitor: Visitor) -> View:
        """Show everything at a glance."""
        return self.view("work.html", visitor, "", self._dashboard)

    def _dashboard(self) -> dict[str, Any]:
        waiting = to_decide(self.queries, ON_THE_DASHBOARD)
        values: dict[str, Any] = {"entries": newest(self.queries), "waiting": waiting, "site": None}
        if self.site is None:
            return values
        overview = self.site.overview
        return values | {
            "site": True,
            "backlog": overview.backlog(),
            "alarms": overview.alarms(),
            "colleagues": overview.colleagues(),
            "destinations": overview.destinations(list(self.site.destinations())),
            "kinds": dict(self.site.destinations()),
            "disk": self.site.disk(),
            "hours": overview.last_day(),
        }

    def held(self, visitor: Visitor, before: int | None) -> View:
        """Show what waits for a person."""

        def read() -> dict[str, Any]:
            return {"waiting": to_decide(self.queries, ON_A_PAGE, before=before), "before": before, "most": ON_A_PAGE}

        return self.view("held.html", visitor, before, read)

    def job(self, visitor: Visitor, number: int) -> View:
        """Show the whole story of a job."""
        return self.view("job.html", visitor, number, lambda: self._job(number))

    def _job(self, number: int) -> dict[str, Any]:
        job = self.queries.job(number)
        siblings, ruling = self.queries.jobs_of_scan(job.scan.id), self.queries.ruling(number)
        sheets = self._sheets(job)
        newer, older = self.queries.stuck_beside(number)
        return {
            "job": job,
            "events": self.queries.timeline(job),
            "log": self.queries.log(number),
            "siblings": siblings,
            "ruling": ruling,
            "in_doubt": len(self.queries.candidates(job)),
            "newer": newer,
            "older": older,
            "sheets": sheets,
            "viewer": viewer_of(
                job.id,
                sheets,
                [(one.id, one.recipe or "?", self._sheets(one)) for one in _others(job, siblings)],
                reviewing=ruling is not None and ruling.open,
                grades={one.check: one.grade for one in ruling.ruling.assessments} if ruling else {},
            ),
            "mapped": {one.check: one.begins for one in sheets if one.check},
            "job_deeds": deeds_for_job(job.state),
            "delivery_deeds": {one.id: deeds_for_delivery(one.state) for one in job.deliveries},
            "pictured": self.pictures is not None,
            "recipes": self._recipes(job),
            "resends": any("resend" in deeds_for_delivery(one.state) for one in job.deliveries),
        }

    def _recipes(self, job: JobView) -> list[str]:
        """List the recipes by which a scan can be reconstructed again, where it has any readouts."""
        return sorted(self.recipes()) if job.scan.n_acquisitions and job.scan.recording else []

    def _sheets(self, job: JobView) -> list[Sheet]:
        return self.pictures.sheets(job.id) if self.pictures else []

    def _may_stay(self, request: Request) -> bool:
        try:
            self.door.visitor(request)
        except GatewayError:
            return False
        return True


def _others(job: JobView, siblings: list[JobView]) -> list[JobView]:
    """List the jobs whose images a job may be compared with: itself, then the newest of the same scan."""
    return [job, *[one for one in reversed(siblings) if one.id != job.id][:MOST_COMPARED]]


def work(desk: Desk) -> APIRouter:
    """Serve the dashboard, jobs, and what waits for a person."""
    router = APIRouter()

    @router.get("/")
    def dashboard(visitor: MayLook) -> HTMLResponse:
        return desk.show(desk.dashboard(visitor), "work.html", visitor, "/live")

    @router.get("/live")
    def dashboard_live(request: Request, visitor: MayLook) -> Response:
        return desk.stream(desk.dashboard(visitor), request)

    @router.get("/held")
    def held(visitor: MayLook, before: Number | None = None) -> HTMLResponse:
        source = f"/held/live?before={before}" if before else "/held/live"
        return desk.show(desk.held(visitor, before), "held.html", visitor, source)

    @router.get("/held/live")
    def held_live(request: Request, visitor: MayLook, before: Number | None = None) -> Response:
        return desk.stream(desk.held(visitor, before), request)

    @router.get("/jobs/{number}")
    def job(number: Number, visitor: MayLook) -> HTMLResponse:
        return desk.show(desk.job(visitor, number), "job.html", visitor, f"/jobs/{number}/live")

    @router.get("/jobs/{number}/live")
    def job_live(number: Number, request: Request, visitor: MayLook) -> Response:
        desk.queries.job(number)
        return desk.stream(desk.job(visitor, number), request)

    return router
