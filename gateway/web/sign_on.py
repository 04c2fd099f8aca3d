"""Signing in by an identity provider: a browser goes there, comes back with a code, and has a session like any other.

The cookie of a session is SameSite=Strict, and a browser does not send it along on a way that began elsewhere. So
whoever comes back gets a page of ours, which goes on by itself, and not a redirect.
"""

from __future__ import annotations

import hmac
import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from gateway.jobs.audit import AuditTrail
from gateway.jobs.sign_on import SignOns
from gateway.model.errors import NotVouched
from gateway.model.sign_on import Provider
from gateway.web.door import Door, origin_of
from gateway.web.pages import Pages

ERRAND_LASTS_S = 600
SECRET = Annotated[str, Query(max_length=512)]
CODE = Annotated[str, Query(max_length=8192)]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SideDoor:
    """Lets in whom the provider vouches for."""

    provider: Provider
    sign_ons: SignOns
    audit: AuditTrail
    door: Door
    pages: Pages

    def begin(self, invitation: str) -> Response:
        """Send a browser to the provider."""
        url, errand = self.provider.begin()
        self.sign_ons.begin(errand, invitation=invitation)
        answer = RedirectResponse(url, HTTPStatus.SEE_OTHER)
        # Lax: the browser has to bring it back from elsewhere, once.
        answer.set_cookie(
            self.door.errand_cookie,
            errand.state,
            max_age=ERRAND_LASTS_S,
            secure=self.door.secure,
            httponly=True,
            samesite="lax",
        )
        return answer

    def finish(self, request: Request, code: str, state: str) -> str:
        """Open a session for who comes back; return its secret.

        Raises
        ------
        NotVouched
            It is another browser than the one that went, or the provider does not vouch.
        """
        mine = request.cookies.get(self.door.errand_cookie, "")
        if not mine or not hmac.compare_digest(mine.encode(), state.encode()):
            raise NotVouched("this sign-in was begun in another browser, or too long ago; begin again")
        errand, invitation = self.sign_ons.take(state)
        if not code:
            raise NotVouched("the identity provider let nobody in")
        guest = self.provider.finish(code, errand)
        try:
            return self.sign_ons.come_in(guest, origin=origin_of(request), invitation=invitation)
        except NotVouched as fault:
            self.sign_ons.shut_out(guest)
            raise NotVouched(f"{guest.name}: {fault}") from fault

    def refuse(self, request: Request, fault: NotVouched) -> Response:
        """Say why nobody comes in, and write it down."""
        self.audit.add(f"identity provider@{origin_of(request)}", "sign-in refused", str(fault))
        logger.warning("sign-in by the identity provider refused", extra={"reason": str(fault)})
        return self.pages.show("sign_in.html", status=HTTPStatus.UNAUTHORIZED, fault=f"Nobody was signed in: {fault}.")


def side_door(side: SideDoor) -> APIRouter:
    """Serve signing in by the provider."""
    router = APIRouter(prefix="/sign-in/provider")

    @router.get("")
    def begin(request: Request, invitation: SECRET = "") -> Response:
        try:
            return side.begin(invitation)
        except NotVouched as fault:
            return side.refuse(request, fault)

    @router.get("/back")
    def back(request: Request, code: CODE = "", state: SECRET = "") -> Response:
        try:
            secret = side.finish(request, code, state)
        except NotVouched as fault:
            answer = side.refuse(request, fault)
        else:
            answer = side.pages.show("arrived.html")
            side.door.let_in(answer, secret)
        answer.delete_cookie(side.door.errand_cookie, secure=side.door.secure, httponly=True, samesite="lax")
        return answer

    @router.get("/leave")
    def leave() -> Response:
        return RedirectResponse(side.provider.leave() or "/sign-in", HTTPStatus.SEE_OTHER)

    return router
