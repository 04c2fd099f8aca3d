"""Routes: in force, checked, applied, compared, gone back to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import PlainTextResponse

from gateway.api.gate import MayLook, MaySteer
from gateway.api.words import Apply, GoBack, Limit, Listed, RoutesText, Version
from gateway.control import Control, Trial
from gateway.jobs.route_versions import RouteVersion
from gateway.routing.schema import routes_schema

SOURCE = "these routes"
InQuery = Annotated[int | None, Query(ge=0, le=2**31 - 1, description="Without it, the version in force.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutesInForce:
    """The routes that the next job takes."""

    version: int
    """0 is the file, before anything was applied."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What came into force."""

    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Two versions, line by line, as `diff -u` shows them."""

    before: int
    after: int
    lines: list[str]


def routes(control: Control) -> APIRouter:
    """Serve what may be read of the routes."""
    router, steering = APIRouter(prefix="/routes", tags=["routes"]), control.steering

    @router.get("", summary="Read the routes in force")
    def routes_show(_caller: MayLook) -> RoutesInForce:
        number = steering.in_force()
        return RoutesInForce(version=number, text=steering.toml(number))

    @router.get("/schema", summary="Read the JSON Schema of routes.toml")
    def schema(_caller: MayLook) -> dict[str, Any]:
        read: dict[str, Any] = json.loads(routes_schema())
        return read

    @router.get("/versions", summary="List the versions that were applied, newest first")
    def versions(_caller: MayLook, limit: Limit = 50) -> Listed[RouteVersion]:
        return Listed(items=steering.history(limit))

    @router.get(
        "/versions/{number}.toml",
        summary="Export the text of a version",
        response_class=PlainTextResponse,
        responses={200: {"content": {"application/toml": {"schema": {"type": "string"}}}}},
    )
    def version_export(_caller: MayLook, number: Version) -> Response:
        return Response(steering.toml(number), media_type="application/toml")

    @router.get("/difference", summary="Compare two versions")
    def difference(
        _caller: MayLook, before: Annotated[int, Query(ge=0, le=2**31 - 1)], after: InQuery = None
    ) -> Compared:
        last = steering.in_force() if after is None else after
        return Compared(before=before, after=last, lines=steering.difference(before, last))

    return router


def steer(control: Control) -> APIRouter:
    """Serve what changes the routes."""
    router, steering = APIRouter(prefix="/routes", tags=["routes"]), control.steering

    @router.post("/check", summary="Say what is wrong with routes, and which recent scans they would send elsewhere")
    def check(_caller: MaySteer, wanted: RoutesText) -> Trial:
        return control.try_routes(wanted.text, source=SOURCE)

    @router.post("/versions", summary="Put routes in force from the next job on", status_code=HTTPStatus.CREATED)
    def apply(caller: MaySteer, wanted: Apply) -> Applied:
        kept = {"who": caller.who, "comment": wanted.comment}
        return Applied(version=steering.apply(wanted.text, source=SOURCE, base=wanted.base, **kept))

    @router.post("/rollback", summary="Put an earlier version in force again", status_code=HTTPStatus.CREATED)
    def roll_back(caller: MaySteer, wanted: GoBack) -> Applied:
        return Applied(version=steering.roll_back(wanted.version, who=caller.who, comment=wanted.comment))

    return router
