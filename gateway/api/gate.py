"""The gate of the API: who comes with which token, and whether it has the right; nobody comes in by a cookie."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, ClassVar

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from gateway.api.throttle import Throttle
from gateway.jobs.tokens import Tokens
from gateway.model.errors import GatewayError
from gateway.model.person import Right

REFUSALS, REFUSALS_WITHIN_S = 10, 60.0
"""So many wrong tokens from one address within so long; then it waits, whatever it brings."""
REQUESTS, REQUESTS_WITHIN_S = 1_200, 60.0
"""So many requests by one token within so long."""


class Refused(GatewayError):
    """Nobody comes in so; the class says with which status."""

    status: ClassVar[HTTPStatus]

    def __init__(self, why: str, headers: Mapping[str, str]) -> None:
        super().__init__(why)
        self.headers = headers


class NotKnown(Refused):
    """No token, or none that is good for anything."""

    status = HTTPStatus.UNAUTHORIZED


class NotAllowed(Refused):
    """A token that is good, though not for this."""

    status = HTTPStatus.FORBIDDEN


class TooOften(Refused):
    """Somebody comes too often."""

    status = HTTPStatus.TOO_MANY_REQUESTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Whoever calls."""

    name: str
    who: str
    """As the audit trail calls them."""
    rights: frozenset[Right]


class Gate:
    """Lets in who comes with a good token."""

    def __init__(self, tokens: Tokens, *, requests: int = REQUESTS) -> None:
        self._tokens = tokens
        self._refusals = Throttle(REFUSALS, within_s=REFUSALS_WITHIN_S)
        self._requests = Throttle(requests, within_s=REQUESTS_WITHIN_S)

    def caller(self, secret: str | None, *, origin: str) -> Caller:
        """Find out who calls.

        Raises
        ------
        NotKnown
            There is no token, or it opens nothing.
        TooOften
            From there came too many wrong tokens, or this one was used too often.
        """
        self._admit(self._refusals, origin)
        if not secret:
            raise NotKnown("this needs a token", {"WWW-Authenticate": "Bearer"})
        token = self._tokens.holder(secret)
        if token is None:
            self._refusals.count(origin)
            raise NotKnown(
                "this token is none of ours, has expired or was revoked",
                {"WWW-Authenticate": 'Bearer error="invalid_token"'},
            )
        self._admit(self._requests, str(token.id))
        self._requests.count(str(token.id))
        return Caller(name=token.name, who=f"token {token.name}@{origin}", rights=token.rights)

    def _admit(self, throttle: Throttle, key: str) -> None:
        if wait_s := throttle.wait_s(key):
            raise TooOften("too many requests; wait", {"Retry-After": str(math.ceil(wait_s))})


BEARER = HTTPBearer(auto_error=False, scheme_name="token", description="`Authorization: Bearer mrgw_...`")


def let_in(
    request: Request,
    needed: SecurityScopes,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)],
) -> Caller:
    """Let in who has all the rights that an address needs."""
    gate: Gate = request.app.state.gate
    origin = request.client.host if request.client else "unknown"
    caller = gate.caller(credentials.credentials if credentials else None, origin=origin)
    if missing := [right for right in needed.scopes if right not in caller.rights]:
        told = f'Bearer error="insufficient_scope", scope="{" ".join(missing)}"'
        raise NotAllowed(f"the token lacks the right to {' and '.join(missing)}", {"WWW-Authenticate": told})
    return caller


MayLook = Annotated[Caller, Security(let_in, scopes=[Right.LOOK.value])]
MayStudy = Annotated[Caller, Security(let_in, scopes=[Right.STUDY.value])]
MayAct = Annotated[Caller, Security(let_in, scopes=[Right.ACT.value])]
MaySteer = Annotated[Caller, Security(let_in, scopes=[Right.STEER.value])]
MayManage = Annotated[Caller, Security(let_in, scopes=[Right.MANAGE.value])]
MayAudit = Annotated[Caller, Security(let_in, scopes=[Right.AUDIT.value])]
MayMeasure = Annotated[Caller, Security(let_in, scopes=[Right.MEASURE.value])]
