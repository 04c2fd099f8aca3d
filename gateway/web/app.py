"""The page as an application: addresses, what each shows, and what is said when something is wrong. It only reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from http import HTTPStatus
from pathlib import Path as Folder
from typing import Annotated, TypeAlias

from fastapi import APIRouter, FastAPI, HTTPException, Path, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.staticfiles import StaticFiles

from gateway.jobs.queries import Queries
from gateway.model.errors import StorageFault, WrongCall
from gateway.model.ids import JobId
from gateway.web.pages import Pages
from gateway.web.security import PROTECTION, protect
from gateway.web.worklist import needs_a_person, newest

Preview: TypeAlias = Callable[[JobId, int], bytes | None]
"""The picture of a job's instance, counted from 1, as PNG; None where there is none to be had."""

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
"""What a browser on this machine calls the page; a foreign name that leads here (DNS rebinding) is refused."""

Number = Annotated[int, Path(ge=1, le=2**63 - 1)]
"""What a database can number; anything else is no address of ours."""

STATIC = Folder(__file__).parent / "static"


def create_app(
    queries: Queries, *, preview: Preview | None = None, host_names: Sequence[str] = LOOPBACK_NAMES
) -> FastAPI:
    """Build the page.

    Parameters
    ----------
    preview
        Without it the page shows no pictures.
    host_names
        What browsers may call this host; ``"*"`` where a proxy before the page sees to it.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(host_names), www_redirect=False)
    app.middleware("http")(protect)
    pages = Pages()
    app.include_router(health(queries))
    app.include_router(work(queries, pages, preview))
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    tell_faults(app, pages)
    return app


def health(queries: Queries) -> APIRouter:
    """Answer whoever watches over the service; says nothing that is worth hiding."""
    router = APIRouter(prefix="/health")

    @router.api_route("/live", methods=["GET", "HEAD"])
    def live() -> JSONResponse:
        return JSONResponse({"status": "live"})

    @router.api_route("/ready", methods=["GET", "HEAD"])
    def ready() -> JSONResponse:
        try:
            queries.ping()
        except StorageFault:
            return JSONResponse({"status": "database does not answer"}, HTTPStatus.SERVICE_UNAVAILABLE)
        return JSONResponse({"status": "ready"})

    return router


def work(queries: Queries, pages: Pages, preview: Preview | None) -> APIRouter:
    """Show the work and the story of each job."""
    router = APIRouter()

    @router.get("/")
    def dashboard() -> HTMLResponse:
        return pages.show("work.html", entries=newest(queries), waiting=needs_a_person(queries))

    @router.get("/jobs/{number}")
    def job(number: Number) -> HTMLResponse:
        view = queries.job(number)
        pictures = len(queries.instance_paths(view.id)) if preview else 0
        return pages.show("job.html", job=view, events=queries.timeline(view), pictures=pictures)

    @router.get("/jobs/{number}/images/{image}.png")
    def image(number: Number, image: Number) -> Response:
        png = preview(JobId(number), image) if preview else None
        if png is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return Response(png, media_type="image/png")

    return router


def tell_faults(app: FastAPI, pages: Pages) -> None:
    """Say what is wrong in one sentence, and never where in the code."""

    def problem(status: int, sentence: str) -> HTMLResponse:
        return pages.show("problem.html", status=status, title=HTTPStatus(status).phrase, sentence=sentence)

    @app.exception_handler(WrongCall)
    @app.exception_handler(RequestValidationError)
    def no_such_thing(_request: Request, _fault: Exception) -> HTMLResponse:
        return problem(HTTPStatus.NOT_FOUND, "There is nothing at this address.")

    @app.exception_handler(StarletteHTTPException)
    def refused(request: Request, fault: StarletteHTTPException) -> HTMLResponse:
        if fault.status_code == HTTPStatus.NOT_FOUND:
            return no_such_thing(request, fault)
        return problem(fault.status_code, "The page cannot do this.")

    @app.exception_handler(StorageFault)
    def no_database(_request: Request, _fault: StorageFault) -> HTMLResponse:
        sentence = "The database does not answer at the moment. Scans that arrive are not lost; this page tries again."
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, sentence)

    @app.exception_handler(Exception)
    def broken(_request: Request, _fault: Exception) -> HTMLResponse:
        page = problem(HTTPStatus.INTERNAL_SERVER_ERROR, "This is a fault of the gateway; its log tells more.")
        page.headers.update(PROTECTION)  # this answer is made outside of all middleware
        return page
