"""Tokens on the page: which programs come in, with which rights, and until when."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from gateway.jobs.tokens import Tokens
from gateway.model.errors import WrongCall
from gateway.model.person import Right
from gateway.model.sign_on import LONGEST_NAME
from gateway.web.addresses import Number
from gateway.web.door import Filled, Form, MayManage, Visitor
from gateway.web.pages import Pages

DAYS = (1, 30, 90, 365)
"""For so long a token may be good; 0 is until it is revoked."""


def programs(tokens: Tokens, pages: Pages) -> APIRouter:
    """Serve the page on which tokens are made and revoked."""
    router = APIRouter(prefix="/tokens")

    def show(visitor: Visitor, *, secret: str = "", fault: str = "", status: int = HTTPStatus.OK) -> HTMLResponse:
        return pages.show(
            "tokens.html",
            status=status,
            visitor=visitor,
            tokens=tokens.all(),
            rights=sorted(visitor.rights),
            days=DAYS,
            secret=secret,
            fault=fault,
            now=tokens.now(),
        )

    @router.get("")
    def everyone(visitor: MayManage) -> HTMLResponse:
        return show(visitor)

    @router.post("/create")
    def create(visitor: MayManage, form: Filled) -> HTMLResponse:
        try:
            made = tokens.create(_name(form), _rights(form, visitor), who=visitor.who, days=_days(form))
        except WrongCall as fault:
            return show(visitor, fault=str(fault), status=HTTPStatus.UNPROCESSABLE_ENTITY)
        return show(visitor, secret=made.secret)

    @router.post("/{number}/revoke")
    def revoke(number: Number, visitor: MayManage) -> Response:
        tokens.revoke(number, who=visitor.who)
        return RedirectResponse("/tokens", HTTPStatus.SEE_OTHER)

    return router


def _name(form: Form) -> str:
    name = form.get("name", "").strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise WrongCall(f"A name has 1 to {LONGEST_NAME} printable characters.")
    return name


def _rights(form: Form, visitor: Visitor) -> set[Right]:
    """Read the rights that were ticked; nobody gives one away that they lack."""
    return {right for right in visitor.rights if f"right-{right}" in form}


def _days(form: Form) -> float | None:
    days = form.get("days", "")
    if days not in {"0", *map(str, DAYS)}:
        raise WrongCall("Choose how long it is good for.")
    return float(days) or None
