"""People on the page: who may come in, as what, and where they are signed in; and everybody's own account."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from gateway.jobs.people import People
from gateway.jobs.sessions import Sessions
from gateway.model.errors import WrongCall
from gateway.model.person import RIGHTS, Role
from gateway.model.sign_on import LONGEST_NAME
from gateway.web.door import Door, Filled, Form, MayManage, MayRead, Visitor
from gateway.web.pages import Pages
from gateway.web.passwords import LONGEST, faults_of_password, hash_password, password_fits

ROLE_WORDS: Mapping[Role, str] = MappingProxyType(
    {
        Role.VIEWER: "looks at scans, jobs, images and routes",
        Role.OPERATOR: "also retries, holds, releases, cancels and sends again",
        Role.ADMIN: "also changes the routes, makes reader studies, and says who may come in",
        Role.AUDITOR: "looks, and reads the audit trail",
        Role.READER: "scores the images of reader studies, and sees nothing else",
    }
)
"""What each is here for, in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """The page on which people are managed."""

    people: People
    sessions: Sessions
    pages: Pages
    address: str
    """What people type to come here, with a slash at the end; empty is what their browser says."""

    def show(
        self, visitor: Visitor, *, fault: str = "", link: str = "", invited: str = "", status: int = HTTPStatus.OK
    ) -> HTMLResponse:
        """Show everybody; ``link`` is a one-time link, which nobody can show again."""
        return self.pages.show(
            "people.html",
            status=status,
            visitor=visitor,
            people=self.people.all(),
            sessions=self.sessions.open(),
            invitations=self.sessions.invitations(),
            roles=ROLE_WORDS,
            now=self.sessions.now(),
            fault=fault,
            link=link,
            invited=invited,
        )

    def answer(self, visitor: Visitor, change: Callable[[], object]) -> Response:
        """Change something, and show everybody; where that is refused, with the reason."""
        try:
            change()
        except WrongCall as fault:
            return self.show(visitor, fault=str(fault), status=HTTPStatus.CONFLICT)
        return RedirectResponse("/people", HTTPStatus.SEE_OTHER)


def managing(register: Register) -> APIRouter:
    """Serve the page on which people are managed."""
    router = APIRouter(prefix="/people")

    @router.get("")
    def everybody(visitor: MayManage) -> HTMLResponse:
        return register.show(visitor)

    @router.post("/invite")
    def invite(request: Request, visitor: MayManage, form: Filled) -> Response:
        name = form.get("name", "").strip()
        if not name or len(name) > LONGEST_NAME or not name.isprintable():
            fault = f"A name has 1 to {LONGEST_NAME} printable characters."
            return register.show(visitor, fault=fault, status=HTTPStatus.UNPROCESSABLE_ENTITY)
        secret = register.people.invite(name, _role(form), who=visitor.who)
        return register.show(visitor, link=f"{register.address or request.base_url}set-up/{secret}", invited=name)

    @router.post("/withdraw")
    def withdraw(visitor: MayManage, form: Filled) -> Response:
        return register.answer(visitor, lambda: register.sessions.withdraw(_name(form), who=visitor.who))

    return router


def changing(register: Register) -> APIRouter:
    """Serve what becomes of an account that is there."""
    router = APIRouter(prefix="/people")
    people, sessions = register.people, register.sessions

    @router.post("/role")
    def change_role(visitor: MayManage, form: Filled) -> Response:
        return register.answer(visitor, lambda: people.change(_name(form), role=_role(form), who=visitor.who))

    @router.post("/close")
    def close(visitor: MayManage, form: Filled) -> Response:
        return register.answer(visitor, lambda: people.change(_name(form), disabled=True, who=visitor.who))

    @router.post("/open")
    def reopen(visitor: MayManage, form: Filled) -> Response:
        return register.answer(visitor, lambda: people.change(_name(form), disabled=False, who=visitor.who))

    @router.post("/unlock")
    def unlock(visitor: MayManage, form: Filled) -> Response:
        return register.answer(visitor, lambda: sessions.unlock(_name(form), who=visitor.who))

    @router.post("/sign-out")
    def sign_out(visitor: MayManage, form: Filled) -> Response:
        return register.answer(visitor, lambda: sessions.end(_name(form), who=visitor.who))

    return router


def account(register: Register, door: Door) -> APIRouter:
    """Serve everybody's own account."""
    router = APIRouter(prefix="/account")

    def show(request: Request, visitor: Visitor, faults: list[str], *, told: str = "", status: int = 200) -> Response:
        mine = register.sessions.open(request.cookies.get(door.cookie, "")).get(visitor.name, [])
        rights = sorted(visitor.rights)
        role = next((role for role, these in RIGHTS.items() if these == visitor.rights), None)
        values = {"sessions": mine, "rights": rights, "role": role, "told": told, "roles": ROLE_WORDS}
        values["elsewhere"] = register.people.elsewhere(visitor.name)
        return register.pages.show("account.html", status=status, visitor=visitor, faults=faults, **values)

    @router.get("")
    def mine(request: Request, visitor: MayRead) -> Response:
        return show(request, visitor, [])

    @router.post("/password")
    def password(request: Request, visitor: MayRead, form: Filled) -> Response:
        new, present = form.get("password", ""), form.get("present", "")[:LONGEST]
        faults = faults_of_password(new, visitor.name)
        if new != form.get("again", ""):
            faults.append("Both entries of the new one must be the same.")
        keep = request.cookies.get(door.cookie, "")
        if not faults and not register.sessions.change_password(
            visitor.name, lambda known: password_fits(present, known), hash_password(new), who=visitor.who, keep=keep
        ):
            faults = ["The present password is not right, or the account is locked for some minutes."]
        if faults:
            return show(request, visitor, faults, status=HTTPStatus.UNPROCESSABLE_ENTITY)
        return show(request, visitor, [], told="Your password is changed; all other sessions have ended.")

    @router.post("/sign-out-elsewhere")
    def sign_out_elsewhere(request: Request, visitor: MayRead) -> Response:
        register.sessions.end(visitor.name, who=visitor.who, keep=request.cookies.get(door.cookie, ""))
        return RedirectResponse("/account", HTTPStatus.SEE_OTHER)

    return router


def _name(form: Form) -> str:
    return form.get("name", "")[:LONGEST_NAME]


def _role(form: Form) -> Role:
    """Read a role; whoever sends another word has not used our form.

    Raises
    ------
    WrongCall
        It is none.
    """
    try:
        return Role(form.get("role", ""))
    except ValueError as error:
        raise WrongCall("there is no such role") from error
