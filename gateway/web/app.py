"""The page as an application: addresses, what each shows, and what is said when something is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path as Folder
from types import MappingProxyType

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.staticfiles import StaticFiles

from gateway.control import Control
from gateway.jobs.forwarding import ForwardingState
from gateway.jobs.queries import Queries
from gateway.model.errors import (
    AuditBroken,
    GatewayError,
    IllegalTransition,
    Overtaken,
    ReasonMissing,
    StorageFault,
    WrongCall,
)
from gateway.site import Site
from gateway.web.addresses import Number
from gateway.web.charts import charts
from gateway.web.deeds import deeds
from gateway.web.door import SAFE, Door, ForeignForm, MayAudit, NotAllowed, NotSignedIn, NotWritten, TooMuch, Visitor
from gateway.web.entrance import entrance, setting_up
from gateway.web.live import Live, TooManyWatchers
from gateway.web.pages import Pages
from gateway.web.people import Register, account, changing, managing
from gateway.web.pictures import Pictures, images
from gateway.web.reading import Lectern, reading
from gateway.web.review import review
from gateway.web.security import PROTECTION, Protection
from gateway.web.sign_on import SideDoor, side_door
from gateway.web.steer import reading as routes_read, writing
from gateway.web.studies import Office, reading_list, study_files, study_pages
from gateway.web.tokens import programs
from gateway.web.whose import whose
from gateway.web.work import Desk, work

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
"""What a browser on this machine calls the page; a foreign name that leads here (DNS rebinding) is refused."""

LINES = 200
"""Of the audit trail, on its page."""

STATIC = Folder(__file__).parent / "static"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """How the page behaves to those who come."""

    host_names: Sequence[str] = LOOPBACK_NAMES
    """What browsers may call this host; ``"*"`` where the network, or a proxy before the page, sees to it."""
    strangers_look: bool = False
    """Whether people may look who have not signed in."""
    secure: bool = False
    """Whether browsers come by TLS only."""
    address: str = ""
    """What people type to come here, with a slash at the end, where the settings say it."""


def create_app(
    queries: Queries,
    *,
    site: Site | None = None,
    pictures: Pictures | None = None,
    control: Control | None = None,
    manners: Manners | None = None,
) -> FastAPI:
    """Build the page.

    Parameters
    ----------
    site
        Without it the page only lists, and does not follow what happens.
    pictures
        Without it the page shows no pictures.
    control
        Without it the page has no accounts: everybody may look, and nobody may do anything.
    """
    manners = manners or Manners()
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(manners.host_names), www_redirect=False)
    app.add_middleware(Protection)
    pages = Pages(signs_in=control is not None, provider=control.provider.label if control and control.provider else "")
    people = control.people if control else None
    door = app.state.door = Door(people=people, strangers_look=manners.strangers_look, secure=manners.secure)
    live = app.state.live = Live(site.overview.pulse) if site else None
    desk = Desk(
        queries=queries,
        pages=pages,
        site=site,
        pictures=pictures,
        live=live,
        door=door,
        recipes=lambda: control.routes.recipes if control else (),
    )
    shown = [health(queries, site), work(desk), *([images(pictures)] if pictures else [])]
    if control and pictures:
        shown.append(reading(Lectern(studies=control.studies, pictures=pictures, pages=pages)))
    for router in [*shown, *(steered(control, door, pages, site, address=manners.address) if control else ())]:
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    tell_faults(app, pages)
    tell_not_allowed(app, pages)
    return app


def steered(control: Control, door: Door, pages: Pages, site: Site | None, *, address: str) -> Iterator[APIRouter]:
    """List what there is only where people have accounts."""
    yield entrance(control.people, door, pages)
    yield setting_up(control.people, door, pages)
    if control.provider is not None:
        yield side_door(
            SideDoor(provider=control.provider, sign_ons=control.sign_ons, audit=control.audit, door=door, pages=pages)
        )
    yield whose(control, pages)
    yield review(control)
    yield deeds(control)
    yield charts(control, pages)
    yield routes_read(control.steering, control.queries, pages)
    yield writing(control, pages)
    yield trail(control, pages, site.forwarding if site else lambda: None)
    yield reading_list(control.studies, pages)
    yield study_pages(Office(studies=control.studies, pages=pages))
    yield study_files(control.studies)
    register = Register(people=control.people, sessions=control.sessions, pages=pages, address=address)
    yield managing(register)
    yield changing(register)
    yield programs(control.tokens, pages)
    yield account(register, door)


def health(queries: Queries, site: Site | None) -> APIRouter:
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
        faults = dict(site.faults()) if site else {}
        if faults:
            told = {"status": "not ready", "faults": faults}
            return JSONResponse(told, HTTPStatus.SERVICE_UNAVAILABLE)
        return JSONResponse({"status": "ready"})

    return router


def trail(control: Control, pages: Pages, forwarding: Callable[[], ForwardingState | None]) -> APIRouter:
    """Show the audit trail."""
    router = APIRouter(prefix="/audit")

    def show(visitor: Visitor, before: int | None = None, *, verdict: str = "", whole: bool = True) -> HTMLResponse:
        control.audit.read_by(visitor.who)
        lines = control.audit.newest(LINES, before=before)
        state = forwarding()
        said = {"verdict": verdict, "whole": whole}
        return pages.show("audit.html", visitor=visitor, lines=lines, before=before, forwarding=state, said=said)

    @router.get("")
    def audit(visitor: MayAudit, before: Number | None = None) -> HTMLResponse:
        return show(visitor, before)

    @router.post("/verify")
    def verify(visitor: MayAudit) -> HTMLResponse:
        try:
            number, digest = control.audit.verify()
        except AuditBroken as fault:
            return show(visitor, verdict=f"{fault}. Find out who changed the database, and keep a copy.", whole=False)
        return show(visitor, verdict=f"The trail is whole: {number} lines, the last with the digest {digest}")

    return router


def tell_faults(app: FastAPI, pages: Pages) -> None:
    """Say what is wrong in one sentence, and never where in the code."""

    def problem(status: int, sentence: str) -> HTMLResponse:
        return _problem(pages, status, sentence)

    @app.exception_handler(WrongCall)
    @app.exception_handler(RequestValidationError)
    def no_such_thing(_request: Request, _fault: Exception) -> HTMLResponse:
        return problem(HTTPStatus.NOT_FOUND, "There is nothing at this address.")

    @app.exception_handler(StarletteHTTPException)
    def refused(request: Request, fault: StarletteHTTPException) -> HTMLResponse:
        if fault.status_code == HTTPStatus.NOT_FOUND:
            return no_such_thing(request, fault)
        return problem(fault.status_code, "The page cannot do this.")

    @app.exception_handler(NotSignedIn)
    def not_signed_in(request: Request, _fault: NotSignedIn) -> Response:
        if request.method in SAFE:
            return RedirectResponse("/sign-in", HTTPStatus.SEE_OTHER)
        return problem(HTTPStatus.UNAUTHORIZED, "Sign in first; the session has ended.")

    for kind, (status, sentence) in REFUSALS.items():
        app.add_exception_handler(kind, _refusal(pages, status, sentence))

    @app.exception_handler(IllegalTransition)
    @app.exception_handler(Overtaken)
    def too_late(_request: Request, fault: GatewayError) -> HTMLResponse:
        return problem(HTTPStatus.CONFLICT, f"This is not possible any more: {fault}.")

    @app.exception_handler(Exception)
    def broken(_request: Request, _fault: Exception) -> HTMLResponse:
        page = problem(HTTPStatus.INTERNAL_SERVER_ERROR, "This is a fault of the gateway; its log tells more.")
        page.headers.update(PROTECTION)  # this answer is made outside of all middleware
        return page


def tell_not_allowed(app: FastAPI, pages: Pages) -> None:
    """Refuse what a role does not allow; who only reads begins at the studies, and not at the work."""

    @app.exception_handler(NotAllowed)
    def not_allowed(request: Request, _fault: NotAllowed) -> Response:
        if request.method in SAFE and request.url.path == "/":
            return RedirectResponse("/studies", HTTPStatus.SEE_OTHER)
        return _problem(pages, HTTPStatus.FORBIDDEN, "Your role does not allow this.")


REFUSALS: Mapping[type[GatewayError], tuple[HTTPStatus, str]] = MappingProxyType(
    {
        ForeignForm: (HTTPStatus.FORBIDDEN, "This form does not belong to your session; load the page again."),
        ReasonMissing: (HTTPStatus.UNPROCESSABLE_ENTITY, "This needs a reason: go back and say why."),
        TooMuch: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "This is more than any form of the page holds."),
        NotWritten: (HTTPStatus.UNPROCESSABLE_ENTITY, "The form holds control characters, which nobody can read."),
        TooManyWatchers: (HTTPStatus.SERVICE_UNAVAILABLE, "Too many pages are open; close some."),
        StorageFault: (
            HTTPStatus.SERVICE_UNAVAILABLE,
            "The database does not answer at the moment. Scans that arrive are not lost; this page tries again.",
        ),
    }
)
"""What is said to what the page refuses."""


def _problem(pages: Pages, status: int, sentence: str) -> HTMLResponse:
    return pages.show("problem.html", status=status, title=HTTPStatus(status).phrase, sentence=sentence)


def _refusal(pages: Pages, status: int, sentence: str) -> Callable[[Request, Exception], HTMLResponse]:
    return lambda _request, _fault: _problem(pages, status, sentence)
