"""The site around the work: who calls, whether all is well, disk, processes, destinations."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter

from gateway import __version__
from gateway.api.gate import MayAct, MayLook
from gateway.api.words import NameInPath
from gateway.control import Control
from gateway.jobs.overview import Backlog, Colleague
from gateway.model.errors import NothingThere, SendError, SettingsFault
from gateway.model.person import Right
from gateway.site import Disk, Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Me:
    """Whoever calls."""

    name: str
    rights: list[Right]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How it stands with the gateway."""

    version: str
    ready: bool
    faults: dict[str, str]
    """What is wrong, by what was looked at."""
    disk: Disk
    backlog: Backlog
    processes: list[Colleague]
    routes_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationState:
    """A destination, and how it stands with it."""

    name: str
    what: str
    """Kind and address; empty where the routes in force do not have it any more."""
    away_since: datetime | None
    """Since when it is left alone because nobody answers."""
    reason: str
    last_arrived_at: datetime | None
    on_the_way: int
    stuck: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Echo:
    """What came of asking a destination."""

    answers: bool
    said: str


def status(control: Control, site: Site) -> APIRouter:
    """Serve how things stand."""
    router = APIRouter(tags=["status"])

    @router.get("/me", summary="Say who calls, and with which rights")
    def me(caller: MayLook) -> Me:
        return Me(name=caller.name, rights=sorted(caller.rights))

    @router.get("/status", summary="Say how it stands with the gateway")
    def status_show(_caller: MayLook) -> Status:
        faults = dict(site.faults())
        return Status(
            version=__version__,
            ready=not faults,
            faults=faults,
            disk=site.disk(),
            backlog=site.overview.backlog(),
            processes=site.overview.colleagues(),
            routes_version=control.steering.in_force(),
        )

    return router


def destinations(control: Control, site: Site) -> APIRouter:
    """Serve destinations."""
    router = APIRouter(prefix="/destinations", tags=["destinations"])

    def all_of_them() -> list[DestinationState]:
        what = site.destinations()
        return [
            DestinationState(
                name=one.name,
                what=what.get(one.name, ""),
                away_since=one.away_since,
                reason=one.reason,
                last_arrived_at=one.last_arrived_at,
                on_the_way=one.on_the_way,
                stuck=one.stuck,
            )
            for one in site.overview.destinations(list(what))
        ]

    @router.get("", summary="List the destinations, and how it stands with each")
    def destinations_list(_caller: MayLook) -> list[DestinationState]:
        return all_of_them()

    @router.get("/{name}", summary="Say how it stands with a destination")
    def destination_show(_caller: MayLook, name: NameInPath) -> DestinationState:
        for one in all_of_them():
            if one.name == name:
                return one
        raise NothingThere(f"there is no destination {name!r}")

    @router.post("/{name}/echo", summary="Ask a PACS (C-ECHO) or an archive whether it answers")
    def destination_echo(_caller: MayAct, name: NameInPath) -> Echo:
        try:
            control.echo(name)
        except (SendError, SettingsFault) as fault:
            return Echo(answers=False, said=str(fault))
        return Echo(answers=True, said="answers")

    return router
