"""Signing in and out, and the one-time link by which a person chooses a password."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from gateway.jobs.people import Invitation, People
from gateway.model.errors import WrongCall
from gateway.model.sign_on import LONGEST_NAME
from gateway.web.door import Door, Filled, NotSignedIn, origin_of, refuse_foreign
from gateway.web.pages import Pages
from gateway.web.passwords import LONGEST, faults_of_password, hash_password, password_fits

REFUSED = "Name and password do not fit, or the account is closed or locked for some minutes."


def entrance(people: People, door: Door, pages: Pages) -> APIRouter:
    """Serve signing in and out."""
    router = APIRouter()

    @router.get("/sign-in")
    def sign_in_page(left: bool = False) -> HTMLResponse:  # noqa: FBT001, FBT002 - of the address
        return pages.show("sign_in.html", left=left, empty=not people.any())

    @router.post("/sign-in")
    def sign_in(request: Request, form: Filled) -> Response:
        refuse_foreign(request)
        name, password = form.get("name", "")[:LONGEST_NAME], form.get("password", "")[:LONGEST]
        secret = people.sign_in(name, lambda known: password_fits(password, known), origin=origin_of(request))
        if secret is None:
            status = HTTPStatus.UNAUTHORIZED
            return pages.show("sign_in.html", status=status, typed=name, fault=REFUSED, empty=not people.any())
        return _come_in(door, secret)

    @router.post("/sign-out")
    def sign_out(request: Request) -> Response:
        refuse_foreign(request)
        try:
            visitor = door.visitor(request)
        except NotSignedIn:
            return _to("/sign-in")
        people.sign_out(request.cookies.get(door.cookie, ""), who=visitor.who)
        answer = _to("/sign-in?left=1")
        answer.delete_cookie(door.cookie, secure=door.secure, httponly=True, samesite="strict")
        return answer

    return router


def setting_up(people: People, door: Door, pages: Pages) -> APIRouter:
    """Serve the one-time links."""
    router = APIRouter()

    @router.get("/set-up/{secret}")
    def set_up_page(secret: str) -> HTMLResponse:
        invitation = _invitation(people, secret)
        return pages.show("set_up.html", invitation=invitation, secret=secret, faults=[])

    @router.post("/set-up/{secret}")
    def set_up(request: Request, secret: str, form: Filled) -> Response:
        refuse_foreign(request)
        invitation = _invitation(people, secret)
        name, password = invitation.name, form.get("password", "")
        faults = faults_of_password(password, name)
        if password != form.get("again", ""):
            faults.append("Both entries must be the same.")
        if faults:
            return pages.show(
                "set_up.html",
                status=HTTPStatus.UNPROCESSABLE_ENTITY,
                invitation=invitation,
                secret=secret,
                faults=faults,
            )
        origin = origin_of(request)
        people.accept(secret, name=name, password_hash=hash_password(password), origin=origin)
        opened = people.sign_in(name, lambda known: password_fits(password, known), origin=origin)
        return _to("/sign-in") if opened is None else _come_in(door, opened)

    return router


def _invitation(people: People, secret: str) -> Invitation:
    invitation = people.invitation(secret)
    if invitation is None:
        raise WrongCall("this link was used already, or has expired")
    return invitation


def _to(path: str) -> RedirectResponse:
    return RedirectResponse(path, HTTPStatus.SEE_OTHER)


def _come_in(door: Door, secret: str) -> RedirectResponse:
    answer = _to("/")
    door.let_in(answer, secret)
    return answer
