"""People, tokens and the audit trail."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from fastapi import APIRouter

from gateway.api.gate import Caller, MayAudit, MayManage, NotAllowed
from gateway.api.words import Before, Change, Invite, Limit, Listed, NameInPath, Number, Wish, listed
from gateway.control import Control
from gateway.jobs.audit import Sealed
from gateway.jobs.forwarding import ForwardingState
from gateway.jobs.people import Person
from gateway.jobs.sessions import OpenInvitation, OpenSession
from gateway.jobs.tokens import NewToken, Token
from gateway.model.errors import AuditBroken
from gateway.model.person import Role
from gateway.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Invited:
    """A one-time link, by which a person chooses a password."""

    name: str
    role: Role
    path: str
    """On the page; it works once, and for some days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """Whether the trail is as it was written."""

    whole: bool
    said: str
    lines: int
    digest: str
    """Of the last line; kept elsewhere, it shows when lines were cut off."""


def users(control: Control) -> APIRouter:
    """Serve people."""
    router, people = APIRouter(prefix="/users", tags=["people"]), control.people

    @router.get("", summary="List everybody who has an account")
    def users_list(_caller: MayManage) -> list[Person]:
        return people.all()

    @router.post("", summary="Make a one-time link for somebody", status_code=HTTPStatus.CREATED)
    def user_invite(caller: MayManage, wanted: Invite) -> Invited:
        secret = people.invite(wanted.name, wanted.role, who=caller.who)
        return Invited(name=wanted.name, role=wanted.role, path=f"/set-up/{secret}")

    @router.patch("/{name}", summary="Give somebody another role, close or open the account")
    def user_change(caller: MayManage, name: NameInPath, wanted: Change) -> list[Person]:
        people.change(name, who=caller.who, role=wanted.role, disabled=wanted.disabled)
        return [person for person in people.all() if person.name == name]

    return router


def sessions(control: Control) -> APIRouter:
    """Serve where people are signed in, and the one-time links that nobody has used."""
    router, kept = APIRouter(tags=["people"]), control.sessions

    @router.get("/users/{name}/sessions", summary="List where somebody is signed in, newest first")
    def sessions_list(_caller: MayManage, name: NameInPath) -> list[OpenSession]:
        return kept.open().get(name, [])

    @router.delete("/users/{name}/sessions", summary="End the sessions of somebody", status_code=HTTPStatus.NO_CONTENT)
    def sessions_end(caller: MayManage, name: NameInPath) -> None:
        kept.end(name, who=caller.who)

    @router.delete("/users/{name}/lock", summary="Let somebody try passwords again", status_code=HTTPStatus.NO_CONTENT)
    def lock_end(caller: MayManage, name: NameInPath) -> None:
        kept.unlock(name, who=caller.who)

    @router.get("/invitations", summary="List the one-time links that nobody has used yet")
    def invitations_list(_caller: MayManage) -> list[OpenInvitation]:
        return kept.invitations()

    @router.delete(
        "/invitations/{name}", summary="Withdraw the one-time link of somebody", status_code=HTTPStatus.NO_CONTENT
    )
    def invitation_withdraw(caller: MayManage, name: NameInPath) -> None:
        kept.withdraw(name, who=caller.who)

    return router


def tokens(control: Control) -> APIRouter:
    """Serve tokens."""
    router, kept = APIRouter(prefix="/tokens", tags=["people"]), control.tokens

    @router.get("", summary="List every token that there was, newest first")
    def tokens_list(_caller: MayManage) -> list[Token]:
        return kept.all()

    @router.post("", summary="Make a token; its secret is shown this once", status_code=HTTPStatus.CREATED)
    def token_create(caller: MayManage, wanted: Wish) -> NewToken:
        _no_more_than(caller, wanted)
        return kept.create(wanted.name, set(wanted.rights), who=caller.who, days=wanted.days)

    @router.delete("/{number}", summary="Revoke a token")
    def token_revoke(caller: MayManage, number: Number) -> Token:
        return kept.revoke(number, who=caller.who)

    return router


def _no_more_than(caller: Caller, wanted: Wish) -> None:
    """Let nobody give away a right that they lack."""
    if more := sorted(set(wanted.rights) - caller.rights):
        raise NotAllowed(f"a token cannot give the right to {' and '.join(more)}: it lacks it itself", {})


def audit(control: Control, site: Site) -> APIRouter:
    """Serve the audit trail."""
    router, trail = APIRouter(prefix="/audit", tags=["audit"]), control.audit

    @router.get("", summary="List what people and programs did, newest first")
    def audit_list(caller: MayAudit, limit: Limit = 50, before: Before = None) -> Listed[Sealed]:
        trail.read_by(caller.who)
        found = trail.newest(limit, before=before)
        return listed(found, limit, found[-1].number if found else None)

    @router.get("/repository", summary="Say how far the record repository has it; null where there is none")
    def audit_repository(_caller: MayAudit) -> ForwardingState | None:
        return site.forwarding()

    @router.get("/verification", summary="Check that no line was changed, taken out or put in")
    def audit_verify(_caller: MayAudit) -> Verification:
        try:
            lines, digest = trail.verify()
        except AuditBroken as fault:
            return Verification(whole=False, said=str(fault), lines=0, digest="")
        return Verification(whole=True, said="all lines are as they were written", lines=lines, digest=digest)

    return router
