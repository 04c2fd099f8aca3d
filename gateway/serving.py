"""What is served over HTTP: the page, the API beside it, health; one application, one address."""

from __future__ import annotations

import os
import shutil
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

import uvicorn
from fastapi import FastAPI

from gateway.api.app import PATH, create_api
from gateway.api.figures import measuring
from gateway.api.gate import Gate
from gateway.api.problems import tell_refusals
from gateway.model.errors import GatewayError, StorageFault
from gateway.pictures import OutboxPictures
from gateway.settings import Web
from gateway.site import Disk, Site
from gateway.stations import Stations, page_address
from gateway.web.app import LOOPBACK_NAMES, Manners, create_app

PAGE_ENDS_S = 5
"""An answer that is being given when the page ends may take so long."""


@contextmanager
def showing(stations: Stations) -> Iterator[str]:
    """Serve as long as the block lasts; yields the address.

    Raises
    ------
    GatewayError
        The address is taken, the certificate cannot be used, or strangers could come in.
    """
    settings = stations.settings.web
    if not (settings.loopback or settings.allow_unauthenticated or stations.people.any()):
        raise GatewayError(
            f"the page cannot be on {settings.host} before anybody has an account: start it on 127.0.0.1 once and use "
            "the link that it prints, or make one by: gateway users invite NAME --role admin"
        )
    page = page_of(stations)
    server = uvicorn.Server(_served(page, settings))
    try:
        door = socket.create_server((settings.host, settings.port), backlog=128)
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        raise GatewayError(f"cannot serve the page on {where}: {error.strerror}") from error
    thread = threading.Thread(target=server.run, kwargs={"sockets": [door]}, name="page")
    thread.start()
    try:
        yield page_address(settings)
    finally:
        page.state.live.close()
        server.should_exit = True
        thread.join()
        door.close()


def _served(page: FastAPI, settings: Web) -> uvicorn.Config:
    """Say how it is served; the certificate is read here, where a fault of it is still told."""
    config = uvicorn.Config(
        page,
        log_config=None,
        lifespan="off",
        ssl_certfile=settings.certificate_file,
        timeout_graceful_shutdown=PAGE_ENDS_S,
    )
    try:
        config.load()
    except OSError as error:
        why = error.strerror or "it is no certificate with its key (PEM)"
        raise GatewayError(f"web.certificate_file {settings.certificate_file} cannot be used: {why}") from error
    return config


def page_of(stations: Stations) -> FastAPI:
    """Put together what is served."""
    settings = stations.settings.web
    here_only = settings.loopback and not settings.allow_unauthenticated
    site = site_of(stations)
    outbox = stations.settings.data.outbox_folder
    pictures = OutboxPictures(queries=stations.queries, outbox=outbox, exhibits=stations.exhibits)
    address = urlsplit(page_address(settings))
    manners = Manners(
        host_names=(*LOOPBACK_NAMES, address.hostname or "") if here_only else ("*",),
        strangers_look=settings.allow_unauthenticated,
        secure=address.scheme == "https" or not settings.loopback,
        address=page_address(settings) if settings.address else "",
    )
    page = create_app(stations.queries, site=site, pictures=pictures, control=stations.control, manners=manners)
    gate = page.state.gate = Gate(stations.tokens)
    page.include_router(measuring(stations.census, site))
    tell_refusals(page)
    page.mount(PATH, create_api(stations.control, site=site, pictures=pictures, gate=gate))
    return page


def site_of(stations: Stations) -> Site:
    """Answer what page, API and figures ask of the site."""
    return Site(
        overview=stations.overview,
        disk=lambda: _disk(stations),
        destinations=lambda: _ways(stations),
        forwarding=stations.forwarding.state if stations.settings.atna.host else lambda: None,
        faults=lambda: _faults(stations),
    )


def _disk(stations: Stations) -> Disk:
    recordings = stations.settings.recordings
    usage = shutil.disk_usage(stations.settings.data.spool_folder)
    return Disk(
        used_percent=round(stations.spool.used_percent()),
        free_gb=round(usage.free / 1e9),
        warn_percent=recordings.warn_percent,
        refuse_percent=recordings.refuse_percent,
    )


def _ways(stations: Stations) -> Mapping[str, str]:
    """Name the destinations of the routes in force, and what each is."""
    words = {"pacs": "by C-STORE", "stow": "by STOW-RS", "folder": "a folder"}
    destinations = stations.routes.destinations
    clear = {name for name, one in destinations.items() if getattr(one, "plain", False)}
    return {
        name: words.get(one.kind, one.kind) + (", in the clear" if name in clear else "")
        for name, one in destinations.items()
    }


def _faults(stations: Stations) -> Mapping[str, str]:
    """Say what keeps the gateway from taking scans; a listener on any machine counts."""
    faults = {}
    try:
        listening = [one.since for one in stations.presences.all() if one.role == "listener" and not one.silent]
        if not listening:
            faults["listener"] = "nobody listens for scans"
        elif lost := stations.scans.lost_last(min(listening)):
            faults["recording"] = f"the last scan could not be stored, see scan {lost}; the next one that can ends this"
    except StorageFault:
        faults["database"] = "the database does not answer"
    spool = stations.settings.data.spool_folder
    if not os.access(spool, os.W_OK | os.X_OK):
        faults["spool"] = "the spool cannot be written"
    elif stations.spool.used_percent() >= stations.settings.recordings.refuse_percent:
        faults["disk"] = "the disk is too full to take a scan"
    return faults
