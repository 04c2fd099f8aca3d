"""What is wrong, as problem details (RFC 9457): a sentence that names ids, never patients nor code."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from gateway.api.gate import Refused
from gateway.model.errors import (
    GatewayError,
    IllegalTransition,
    NoRoute,
    NothingThere,
    Overtaken,
    SettingsFault,
    StorageFault,
    WrongCall,
)

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5


class Problem(BaseModel):
    """What is wrong (RFC 9457)."""

    type: str = "about:blank"
    title: str
    """What the status is called."""
    status: int
    detail: str
    """One sentence."""
    faults: list[str] = []
    """Everything that is wrong with what was sent, where there may be several things."""


STATUSES: Mapping[type[GatewayError], HTTPStatus] = MappingProxyType(
    {
        NothingThere: HTTPStatus.NOT_FOUND,
        Overtaken: HTTPStatus.CONFLICT,
        IllegalTransition: HTTPStatus.CONFLICT,
        NoRoute: HTTPStatus.CONFLICT,
        SettingsFault: HTTPStatus.UNPROCESSABLE_ENTITY,
        WrongCall: HTTPStatus.UNPROCESSABLE_ENTITY,
        StorageFault: HTTPStatus.SERVICE_UNAVAILABLE,
    }
)
"""What each class is answered with; the first row that fits decides."""

TOLD: Mapping[int, str] = MappingProxyType(
    {
        400: "It cannot be understood",
        401: "A token is missing or opens nothing",
        403: "The token lacks the right",
        404: "There is no such thing",
        405: "The address does not take this method",
        409: "The state does not allow it, or something else has happened meanwhile",
        413: "It is too large",
        422: "It says something impossible",
        429: "Too many requests",
        503: "The database does not answer; try again",
    }
)
RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"description": told, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    for status, told in TOLD.items()
}
"""As every address documents them."""


def problem(
    status: int, detail: str, *, faults: Sequence[str] = (), headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Write a problem."""
    told = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, faults=list(faults))
    return JSONResponse(told.model_dump(), status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def tell_refusals(app: FastAPI) -> None:
    """Answer whom the gate refuses."""

    @app.exception_handler(Refused)
    def refused(_request: Request, fault: Refused) -> JSONResponse:
        return problem(fault.status, f"{fault}.", headers=fault.headers)


def tell_problems(app: FastAPI) -> None:
    """Answer what goes wrong."""
    tell_refusals(app)

    @app.exception_handler(GatewayError)
    def ours(_request: Request, fault: GatewayError) -> JSONResponse:
        status = next((status for kind, status in STATUSES.items() if isinstance(fault, kind)), None)
        if status is None:
            return broken(_request, fault)
        if status is HTTPStatus.SERVICE_UNAVAILABLE:
            return problem(status, "The database does not answer.", headers={"Retry-After": str(RETRY_AFTER_S)})
        faults = fault.faults if isinstance(fault, SettingsFault) else ()
        return problem(status, str(fault).splitlines()[0], faults=faults)

    @app.exception_handler(RequestValidationError)
    def impossible(_request: Request, fault: RequestValidationError) -> JSONResponse:
        faults = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in fault.errors()]
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "It says something impossible.", faults=faults)

    @app.exception_handler(HTTPException)
    def other(_request: Request, fault: HTTPException) -> JSONResponse:
        return problem(fault.status_code, TOLD.get(fault.status_code, str(fault.detail)) + ".", headers=fault.headers)

    @app.exception_handler(Exception)
    def broken(_request: Request, fault: Exception) -> JSONResponse:
        logger.error("a request failed by a fault of ours", exc_info=fault)
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "This is a fault of the gateway; its log tells more.")
