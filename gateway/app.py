"""Composition root: settings become stations, and stations become roles that run, started and stopped in order."""

from __future__ import annotations

import getpass
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import uvicorn
from fastapi import FastAPI
from sqlalchemy import Engine

from gateway import doctor
from gateway.deliver import Deliverer
from gateway.dicom.picture import png_of
from gateway.dicom.store import echo
from gateway.doctor import Finding, Health
from gateway.intake import Reception
from gateway.jobs.audit import AuditTrail
from gateway.jobs.clock import clock_of, utc_now
from gateway.jobs.database import open_database, upgrade
from gateway.jobs.deliveries import DeliveryQueue
from gateway.jobs.lease import Terms
from gateway.jobs.noise import NoiseStore
from gateway.jobs.people import People, Terms as SessionTerms
from gateway.jobs.queries import Queries
from gateway.jobs.reconstructions import JobQueue
from gateway.jobs.retention import Retention
from gateway.jobs.route_versions import RouteVersions
from gateway.jobs.scans import ScanStore
from gateway.jobs.worker import Pace, owner_name, work
from gateway.logs import configure_logs
from gateway.model.errors import GatewayError, StorageFault, WrongCall
from gateway.model.ids import JobId
from gateway.model.person import Role
from gateway.model.route import PacsDestination, Routes
from gateway.mrd.framing import Limits
from gateway.mrd.listener import Listener, SessionLimits
from gateway.recovery import recover
from gateway.schedule import duties_of, housekeeping, start_schedule
from gateway.settings import Settings, Web, load_routes, load_settings, routes_folder, routes_source
from gateway.spool.recording import SyncPolicy
from gateway.spool.room import Room
from gateway.spool.spool import Spool
from gateway.steering import UNAPPLIED, Steering
from gateway.supervisor import Child, on_leash, supervise
from gateway.watch import WatchFolder
from gateway.web.app import LOOPBACK_NAMES, Manners, create_app
from gateway.web.control import Control

logger = logging.getLogger(__name__)

DESTINATIONS_AT_ONCE = 4
"""To so many a deliverer sends at the same time, so that a slow one does not keep the others waiting."""

PROBE_EVERY_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Stations:
    """Everything that roles are made of."""

    settings: Settings
    steering: Steering
    spool: Spool
    scans: ScanStore
    jobs: JobQueue
    deliveries: DeliveryQueue
    queries: Queries
    audit: AuditTrail
    people: People

    @property
    def routes(self) -> Routes:
        """The routes that the next job takes."""
        return self.steering.routes(self.steering.in_force())


def open_stations(config: Path | None) -> Stations:
    """Read the settings and open what they name; the schema is brought up to date.

    Raises
    ------
    GatewayError
        Settings, routes, folders or database do not allow it.
    """
    settings = load_settings(config)
    configure_logs(settings.log.level, settings.log.format)
    for folder in (settings.data.folder, settings.data.spool_folder, settings.data.outbox_folder):
        _make_folder(folder)
    engine = open_database(settings.database_url.get_secret_value())
    upgrade(engine)
    clock = clock_of(engine)
    steering = _steering(settings, engine)
    queue = settings.queue
    terms = Terms(
        lease_s=queue.lease_s,
        max_crashes=queue.max_crashes,
        retry_first_s=queue.retry_first_s,
        retry_longest_s=queue.retry_longest_s,
        give_up_after_s=queue.give_up_after_s,
    )
    policy = SyncPolicy(every_bytes=settings.listener.sync_every_bytes, every_s=settings.listener.sync_every_s)
    room = Room(warn_percent=settings.recordings.warn_percent, refuse_percent=settings.recordings.refuse_percent)
    return Stations(
        settings=settings,
        steering=steering,
        spool=Spool(settings.data.spool_folder, policy, room),
        scans=ScanStore(engine, clock),
        jobs=JobQueue(engine, clock, terms),
        deliveries=DeliveryQueue(engine, clock, terms),
        queries=Queries(engine),
        audit=AuditTrail(engine, utc_now),
        people=People(engine, utc_now, SessionTerms()),
    )


def _steering(settings: Settings, engine: Engine) -> Steering:
    """Open the routes; those that the next job would take have to be good."""
    steering = Steering(
        versions=RouteVersions(engine, utc_now),
        folder=routes_folder(settings),
        unapplied=lambda: routes_source(settings).text,
    )
    number = steering.in_force()
    if number == UNAPPLIED:
        load_routes(settings)
    steering.routes(number)
    return steering


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise GatewayError(f"folder {folder} cannot be written: {error.strerror}") from error


@contextmanager
def listening(stations: Stations) -> Iterator[Listener]:
    """Listen for scans as long as the block lasts; what a dead listener has left is put in order before."""
    limits = session_limits(stations.settings)
    with stations.spool.owned():
        recover(stations.spool, stations.scans, clock=utc_now, limits=limits.messages)
        listener = Listener(
            stations.settings.listener.host,
            stations.settings.listener.port,
            limits=limits,
            open_recorder=lambda peer: Reception(
                spool=stations.spool, scans=stations.scans, clock=utc_now, peer=peer, started_at=utc_now()
            ),
        )
        listener.start()
        logger.info("listening for scans", extra={"host": stations.settings.listener.host, "port": listener.port})
        try:
            yield listener
        finally:
            listener.stop()


def session_limits(settings: Settings) -> SessionLimits:
    """Translate the listener's settings."""
    listener = settings.listener
    return SessionLimits(
        sessions=listener.max_sessions,
        sessions_per_address=listener.max_sessions_per_address,
        first_message_s=listener.first_message_timeout_s,
        message_s=listener.message_timeout_s,
        idle_s=listener.idle_timeout_s,
        session_s=listener.session_timeout_s,
        messages=Limits(
            header_bytes=listener.max_header_bytes,
            text_bytes=listener.max_text_bytes,
            acquisition_bytes=listener.max_acquisition_bytes,
            waveform_bytes=listener.max_waveform_bytes,
        ),
    )


@contextmanager
def showing(stations: Stations) -> Iterator[str]:
    """Serve the page as long as the block lasts; yields its address.

    Raises
    ------
    GatewayError
        The address is taken.
    """
    settings = stations.settings.web
    if not (settings.loopback or settings.allow_unauthenticated or stations.people.any()):
        raise GatewayError(
            f"the page cannot be on {settings.host} before anybody has an account: start it on 127.0.0.1 once and use "
            "the link that it prints, or make one by: gateway users invite NAME --role admin"
        )
    try:
        door = socket.create_server((settings.host, settings.port), backlog=128)
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        raise GatewayError(f"cannot serve the page on {where}: {error.strerror}") from error
    certificate = settings.certificate_file
    server = uvicorn.Server(
        uvicorn.Config(_page(stations), log_config=None, lifespan="off", ssl_certfile=certificate, ssl_keyfile=None)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [door]}, name="page")
    thread.start()
    try:
        yield page_address(settings)
    finally:
        server.should_exit = True
        thread.join()
        door.close()


def page_address(settings: Web) -> str:
    """Say where the page is."""
    return f"{'https' if settings.certificate_file else 'http'}://{settings.host}:{settings.port}/"


def _page(stations: Stations) -> FastAPI:
    settings = stations.settings.web
    here_only = settings.loopback and not settings.allow_unauthenticated
    return create_app(
        stations.queries,
        preview=lambda job, number: _preview(stations, job, number),
        control=Control(
            people=stations.people,
            jobs=stations.jobs,
            deliveries=stations.deliveries,
            steering=stations.steering,
            audit=stations.audit,
        ),
        manners=Manners(
            host_names=LOOPBACK_NAMES if here_only else ("*",),
            strangers_look=settings.allow_unauthenticated,
            secure=settings.certificate_file is not None or not settings.loopback,
        ),
    )


def set_up_link(stations: Stations) -> str | None:
    """Make the one-time link by which the first administrator comes in; nothing where somebody has an account."""
    if stations.people.any():
        return None
    return invitation_link(stations, "admin", Role.ADMIN)


def invitation_link(stations: Stations, name: str, role: Role) -> str:
    """Make a one-time link by which a person chooses a password."""
    secret = stations.people.invite(name, role, who=person())
    return f"{page_address(stations.settings.web)}set-up/{secret}"


def _preview(stations: Stations, job: JobId, number: int) -> bytes | None:
    """Picture one instance of a job, counted from 1."""
    paths = stations.queries.instance_paths(job)
    if not 1 <= number <= len(paths):
        return None
    file = stations.settings.data.outbox_folder / paths[number - 1]
    return png_of(file) if file.is_file() else None


def until_told_to_stop() -> threading.Event:
    """Turn the first SIGINT or SIGTERM into an event; a second one kills."""
    stop = threading.Event()

    def on_signal(number: int, _frame: object) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGTERM, on_signal)
    return stop


Stop: TypeAlias = threading.Event


def until_leash_ends() -> Stop:
    """In a child: stop when the parent lets go, or on SIGTERM; Ctrl-C is the parent's to hear."""
    stop = until_told_to_stop()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    on_leash(stop)
    return stop


def pace_of(settings: Settings) -> Pace:
    """Translate the queue's settings."""
    return Pace(poll_s=settings.queue.poll_s, heartbeat_s=settings.queue.heartbeat_s)


def run_worker(stations: Stations, stop: threading.Event, owner: str | None) -> None:
    """Reconstruct until stopped."""
    from gateway.process import Processor  # noqa: PLC0415 - torch is for this role alone

    processor = Processor(
        jobs=stations.jobs,
        spool=stations.spool,
        outbox=stations.settings.data.outbox_folder,
        routes=stations.steering.routes,
        noise=NoiseStore(stations.jobs.engine, utc_now, lifetime_s=stations.settings.workers.noise_lifetime_s),
        device=stations.settings.workers.device,
    )
    logger.info("worker ready")
    pace = replace(pace_of(stations.settings), attempt_s=stations.settings.workers.max_job_s)
    work(stations.jobs, processor, owner=owner or owner_name("worker"), stop=stop, pace=pace)


def run_deliverer(stations: Stations, stop: threading.Event, owner: str | None) -> None:
    """Deliver until stopped."""
    deliverer = Deliverer(
        deliveries=stations.deliveries, outbox=stations.settings.data.outbox_folder, routes=stations.steering.routes
    )
    logger.info("deliverer ready")
    pace, owner = pace_of(stations.settings), owner or owner_name("deliverer")
    with ThreadPoolExecutor(DESTINATIONS_AT_ONCE + 1, "deliver") as threads:
        running = [
            threads.submit(work, stations.deliveries, deliverer, owner=owner, stop=stop, pace=pace)
            for _ in range(DESTINATIONS_AT_ONCE)
        ]
        running.append(threads.submit(_probe, stations, deliverer, stop))
        for ended in as_completed(running):
            stop.set()
            ended.result()


def _probe(stations: Stations, deliverer: Deliverer, stop: threading.Event) -> None:
    """Look after destinations that do not answer, until stopped."""
    while not stop.wait(PROBE_EVERY_S):
        with suppress(StorageFault):  # the next time, then
            deliverer.probe(stations.steering.in_force())


def _tell_of_routes(stations: Stations) -> None:
    """Say which routes are in force, and that a file which says something else is not."""
    steering, file = stations.steering, stations.settings.routes.file
    number = steering.in_force()
    logger.info("routes in force", extra={"version": number})
    if number != UNAPPLIED and file is not None and steering.unapplied() != steering.toml(number):
        logger.warning("the routes file is not what is in force", extra={"version": number, "file": file})


@contextmanager
def everything(config: Path | None, stop: threading.Event) -> Iterator[Stations]:
    """Run all roles on this machine: listener, page and schedule here, workers and deliverers as children."""
    stations = open_stations(config)
    _tell_of_routes(stations)
    with ExitStack() as running:
        running.enter_context(listening(stations))
        if stations.settings.web.enabled:
            running.enter_context(showing(stations))
        scheduler = start_schedule({**duties_of(stations.jobs, stations.deliveries), **_housekeeping(stations)})
        running.callback(scheduler.shutdown)
        worker = _child("work", config, stations.jobs.reap)
        worker = replace(worker, max_memory_bytes=stations.settings.workers.max_memory_bytes)
        workers = [worker] * stations.settings.workers.count
        running.enter_context(supervise([*workers, _child("deliver", config, stations.deliveries.reap)], stop))
        yield stations


def _housekeeping(stations: Stations) -> Mapping[str, tuple[float, Callable[[], object]]]:
    listener, recordings = stations.settings.listener, stations.settings.recordings
    watch = None
    if recordings.watch_folder is not None:
        _make_folder(recordings.watch_folder)
        everywhere = listener.host in ("0.0.0.0", "::")  # noqa: S104 - asked, not bound
        watch = WatchFolder(recordings.watch_folder, "localhost" if everywhere else listener.host, listener.port)
    rows = Retention(stations.jobs.engine, utc_now)
    return housekeeping(stations.spool, rows, clock=utc_now, keep_days=recordings.keep_days, watch=watch)


def _child(role: str, config: Path | None, reap: Callable[[str], int]) -> Child:
    command = [sys.executable, "-m", "gateway", role, "--leashed"]
    return Child(role=role, command=[*command, *(["--config", str(config)] if config else [])], reap=reap)


def person() -> str:
    """Name whoever typed the command."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def replay(stations: Stations, start_of_id: str, *, recipe: str) -> JobId:
    """Make a new job of a recorded scan.

    Raises
    ------
    WrongCall
        There is no such scan or recipe, or nothing of it to reconstruct.
    """
    if recipe and recipe not in stations.routes.recipes:
        known = ", ".join(sorted(stations.routes.recipes))
        raise WrongCall(f"there is no recipe {recipe!r} in the routes; known are: {known}")
    scan = stations.queries.scan(start_of_id)
    return stations.scans.replay(scan.id, recipe=recipe, who=person())


def routes_to_try(stations: Stations, file: Path | None) -> Routes:
    """Read the routes in a file, or take those in force."""
    if file is None:
        return stations.routes
    source = routes_source(stations.settings, file)
    return stations.steering.parse(source.text, source=source.name)


def apply_routes(stations: Stations, file: Path | None, comment: str) -> int:
    """Put routes in force: those in ``file``, else those in the file that the settings name."""
    source = routes_source(stations.settings, file)
    return stations.steering.apply(source.text, source=source.name, who=person(), comment=comment)


def echo_destination(stations: Stations, name: str) -> None:
    """Ask a PACS whether it is there.

    Raises
    ------
    WrongCall
        There is no such PACS in the routes.
    SendError
        It does not answer, or rejects us.
    """
    destination = stations.routes.destinations.get(name)
    if not isinstance(destination, PacsDestination):
        known = ", ".join(n for n, one in stations.routes.destinations.items() if isinstance(one, PacsDestination))
        raise WrongCall(f"{name!r} is no PACS in the routes; known are: {known or 'none'}")
    echo(destination)


def examine(stations: Stations) -> Iterator[Finding]:
    """Look the whole site over."""
    settings = stations.settings
    yield from doctor.versions()
    yield from doctor.clock()
    yield from doctor.gpu(settings.workers.device)
    for what, folder in (("spool", settings.data.spool_folder), ("outbox", settings.data.outbox_folder)):
        yield from doctor.disk(what, folder)
    yield doctor.attempt("database", stations.queries.ping, said="answers", remedy="start it, or check database.url")
    remedy = "somebody changed the database by hand: find out who, and keep a copy"
    yield doctor.attempt("audit trail", stations.audit.verify, said="is whole", remedy=remedy)
    somebody = stations.people.any()
    yield Finding(
        what="accounts",
        health=Health.GOOD if somebody else Health.DOUBTFUL,
        said="somebody can sign in" if somebody else "nobody can sign in to the page",
        remedy="" if somebody else "gateway users invite NAME --role admin",
    )
    for name, where in stations.routes.destinations.items():
        yield from doctor.destination(name, where)


def upgrade_database(settings: Settings) -> str:
    """Bring the schema up to date and return its version."""
    return upgrade(open_database(settings.database_url.get_secret_value()))
