"""The door: who asks, and whether they may. A page without a right that it needs does not exist; a test sees to it."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeAlias
from urllib.parse import parse_qsl, urlsplit

from fastapi import Depends, Request, Response

from gateway.jobs.people import People
from gateway.model.errors import GatewayError
from gateway.model.person import RIGHTS, Right

SESSION, ERRAND = "gateway-session", "gateway-errand"
ON_TLS = "__Host-"
"""So begins the name of a cookie that a browser takes from this host alone, and by TLS only."""

REFRESH = "x-refresh"
"""Header by which a page says that it refreshes itself, and that nobody has pressed anything."""

STREAM = "text/event-stream"
"""What a page asks for that follows what happens; nobody has pressed anything then, either."""

LONGEST_FORM = 256 * 1024
"""Bytes of a form; routes of a thousand rules fit."""

MOST_FIELDS = 32

UNWRITTEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""Control characters, but for those that end a line or a cell."""

SAFE = frozenset({"GET", "HEAD"})


class NotSignedIn(GatewayError):
    """Nobody we know: sign in first."""


class NotAllowed(GatewayError):
    """Somebody we know, who may not do this."""


class ForeignForm(GatewayError):
    """The form was not ours, or is not any more."""


class TooMuch(GatewayError):
    """The form is larger than any of ours."""


class NotWritten(GatewayError):
    """The form holds characters that nobody writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Whoever asks."""

    name: str
    """Empty for a stranger who may only look."""
    who: str
    """As the audit trail calls them."""
    rights: frozenset[Right]
    csrf: str = ""

    def may(self, right: str) -> bool:
        """Whether they have a right."""
        return right in self.rights


STRANGER = Visitor(name="", who="", rights=frozenset({Right.LOOK}))

Form: TypeAlias = dict[str, str]


async def read_form(request: Request) -> Form:
    """Read a form as a browser sends it.

    Raises
    ------
    TooMuch
        It is larger than any of ours.
    NotWritten
        It holds control characters: no keyboard writes them, no list can show them, and not every database takes them.
    """
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST_FORM:
            raise TooMuch("the form is too large")
    try:
        form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MOST_FIELDS))
    except ValueError as error:
        raise TooMuch("the form has too many fields") from error
    if any(UNWRITTEN.search(text) for text in form.values()):
        raise NotWritten("the form holds control characters")
    return form


Filled = Annotated[Form, Depends(read_form)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Lets in who may come in."""

    people: People | None
    """Without accounts everybody may look, and nobody may do anything."""
    strangers_look: bool = False
    """Whether people may look who have not signed in."""
    secure: bool = False
    """Whether browsers come by TLS only."""

    @property
    def cookie(self) -> str:
        """Name of the cookie that holds a session."""
        return ON_TLS + SESSION if self.secure else SESSION

    @property
    def errand_cookie(self) -> str:
        """Name of the cookie that a browser takes along to an identity provider and back."""
        return ON_TLS + ERRAND if self.secure else ERRAND

    def let_in(self, answer: Response, secret: str) -> None:
        """Hand a session over."""
        answer.set_cookie(self.cookie, secret, path="/", secure=self.secure, httponly=True, samesite="strict")

    def visitor(self, request: Request) -> Visitor:
        """Find out who asks.

        Raises
        ------
        NotSignedIn
            Nobody we know, and strangers may not look.
        """
        secret = request.cookies.get(self.cookie, "")
        renew = REFRESH not in request.headers and not request.headers.get("accept", "").startswith(STREAM)
        session = self.people.session(secret, renew=renew) if self.people and secret else None
        if session is not None:
            who = f"{session.name}@{origin_of(request)}"
            return Visitor(name=session.name, who=who, rights=RIGHTS[session.role], csrf=session.csrf)
        if self.people is None or self.strangers_look:
            return STRANGER
        raise NotSignedIn("sign in first")


def needs(right: Right) -> Callable[[Request, Form], Visitor]:
    """Let a page be shown, or a form be sent, only to those who have a right."""

    def let_in(request: Request, form: Filled) -> Visitor:
        door: Door = request.app.state.door
        visitor = door.visitor(request)
        if not visitor.may(right):
            raise (
                NotSignedIn("sign in first") if visitor is STRANGER else NotAllowed(f"this needs the right to {right}")
            )
        if request.method not in SAFE:
            refuse_foreign(request)
            if not visitor.csrf or not hmac.compare_digest(visitor.csrf.encode(), form.get("csrf", "").encode()):
                raise ForeignForm("the form does not belong to this session")
        return visitor

    return let_in


MayLook = Annotated[Visitor, Depends(needs(Right.LOOK))]
MayRead = Annotated[Visitor, Depends(needs(Right.READ))]
MayStudy = Annotated[Visitor, Depends(needs(Right.STUDY))]
MayAct = Annotated[Visitor, Depends(needs(Right.ACT))]
MaySteer = Annotated[Visitor, Depends(needs(Right.STEER))]
MayManage = Annotated[Visitor, Depends(needs(Right.MANAGE))]
MayAudit = Annotated[Visitor, Depends(needs(Right.AUDIT))]


def origin_of(request: Request) -> str:
    """Say where a request comes from."""
    return request.client.host if request.client else "unknown"


def refuse_foreign(request: Request) -> None:
    """Refuse what a page from elsewhere makes a browser send.

    Raises
    ------
    ForeignForm
        It says so itself.
    """
    site, origin = request.headers.get("sec-fetch-site", "same-origin"), request.headers.get("origin")
    if site not in ("same-origin", "none") or (origin and urlsplit(origin).netloc != request.headers.get("host")):
        raise ForeignForm("the form comes from elsewhere")
