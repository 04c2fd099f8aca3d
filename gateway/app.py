"""Composition root: stations become roles that run, started and stopped in order."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TypeAlias

from gateway.answer import our_service
from gateway.deliver import Deliverer
from gateway.follow import phantoms_due
from gateway.intake import Reception
from gateway.jobs.arrivals import Arrivals
from gateway.jobs.bell import ringing
from gateway.jobs.clock import utc_now
from gateway.jobs.deliveries import DeliveryQueue
from gateway.jobs.joblog import JobLog
from gateway.jobs.noise import NoiseStore
from gateway.jobs.reconstructions import JobQueue
from gateway.jobs.refusals import Refusals
from gateway.jobs.retention import Retention
from gateway.jobs.worker import owner_name, work
from gateway.logs import line_of
from gateway.model.errors import StorageFault
from gateway.mrd.listener import Listener
from gateway.recovery import recover
from gateway.respond import Responder
from gateway.retention import clear_exhibits, clear_outbox, retire
from gateway.schedule import REMIND_EVERY_S, duties_of, housekeeping, start_schedule
from gateway.stations import Stations, make_folder, open_stations, our_gate, our_limits, pace_of, session_limits, zoo_of
from gateway.steering import UNAPPLIED
from gateway.supervisor import Child, on_leash, supervise
from gateway.telling import TELL_EVERY_S, auditor_of, notifier_of
from gateway.watch import WatchFolder

logger = logging.getLogger(__name__)

PICTURES_LAST_DAYS = 30
"""So long the pictures of the gate are kept after their job is done, where the settings keep series for ever."""

DESTINATIONS_AT_ONCE = 4
"""To so many a deliverer sends at the same time, so that a slow one does not keep the others waiting."""

PROBE_EVERY_S = 30.0

Stop: TypeAlias = threading.Event


@contextmanager
def listening(stations: Stations) -> Iterator[Listener]:
    """Listen for scans as long as the block lasts; what a dead listener has left is put in order before."""
    limits = session_limits(stations.settings)
    arrivals = Arrivals(scans=stations.scans)
    responder = Responder(
        queries=stations.queries,
        replies=stations.replies,
        routes=stations.steering.routes,
        patience_s=stations.settings.listener.images_timeout_s,
    )
    refusals = Refusals(stations.audit.add, utc_now, port="port for scanners")
    with stations.spool.owned(), refusals.kept():
        stations.replies.clear()  # whoever waited for them is gone
        recover(stations.spool, stations.scans, clock=utc_now, limits=limits.messages)
        listener = Listener(
            stations.settings.listener.host,
            stations.settings.listener.port,
            limits=limits,
            open_recorder=lambda peer: Reception(
                spool=stations.spool,
                scans=stations.scans,
                clock=utc_now,
                peer=peer,
                started_at=utc_now(),
                arrivals=arrivals,
                responder=responder,
            ),
            refused=refusals,
        )
        listener.start()
        logger.info("listening for scans", extra={"host": stations.settings.listener.host, "port": listener.port})
        where = f"{stations.settings.listener.host}:{listener.port}"
        with arrivals.told(), stations.presences.at_work(owner_name("listener"), "listener", where):
            try:
                yield listener
            finally:
                listener.stop()


def until_told_to_stop() -> threading.Event:
    """Turn the first SIGINT or SIGTERM into an event; a second one kills."""
    stop = threading.Event()

    def on_signal(number: int, _frame: object) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGTERM, on_signal)
    return stop


def until_leash_ends() -> Stop:
    """In a child: stop when the parent lets go, or on SIGTERM; Ctrl-C is the parent's to hear."""
    stop = until_told_to_stop()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    on_leash(stop)
    return stop


def run_worker(stations: Stations, stop: threading.Event, owner: str | None) -> None:
    """Reconstruct until stopped."""
    from gateway.ahead import Ahead  # noqa: PLC0415 - torch is for this role alone
    from gateway.process import Processor  # noqa: PLC0415
    from gateway.recon.engine import name_device  # noqa: PLC0415
    from gateway.site_noise import known_noise  # noqa: PLC0415

    workers = stations.settings.workers
    owner = owner or owner_name("worker")
    noise = NoiseStore(stations.jobs.engine, utc_now, lifetime_s=workers.noise_lifetime_s)
    processor = Processor(
        jobs=stations.jobs,
        spool=stations.spool,
        outbox=stations.settings.data.outbox_folder,
        routes=stations.steering.routes,
        noise=noise,
        noise_folder=workers.noise_folder,
        zoo=zoo_of(stations.settings),
        replies=stations.replies,
        exhibits=stations.exhibits,
        headstarts=stations.headstarts,
        studies=stations.kept_studies,
        device=workers.device,
        memory_bytes=workers.piece_memory_bytes,
    )
    ahead = Ahead(
        scans=stations.scans,
        spool=stations.spool,
        headstarts=stations.headstarts,
        routes=lambda: stations.routes,
        noise=lambda header: known_noise(header, noise, workers.noise_folder)[0],
        who=owner,
        device=workers.device,
        memory_bytes=workers.piece_memory_bytes,
    )
    logger.info("worker ready")
    pace = replace(pace_of(stations.settings), attempt_s=workers.max_job_s)
    seen = _seen(stations, owner, "worker", name_device(workers.device))
    with seen, ringing(stations.overview.last_event, stop, pace) as bell:
        work(stations.jobs, processor, owner=owner, bell=bell, pace=pace, meanwhile=ahead)


def run_deliverer(stations: Stations, stop: threading.Event, owner: str | None) -> None:
    """Deliver until stopped."""
    deliverer = Deliverer(
        deliveries=stations.deliveries, outbox=stations.settings.data.outbox_folder, routes=stations.steering.routes
    )
    logger.info("deliverer ready")
    pace, owner = pace_of(stations.settings), owner or owner_name("deliverer")
    at_once = f"{DESTINATIONS_AT_ONCE} destinations at a time"
    with (
        _seen(stations, owner, "deliverer", at_once),
        ringing(stations.overview.last_event, stop, pace) as bell,
        ThreadPoolExecutor(DESTINATIONS_AT_ONCE + 1, "deliver") as threads,
    ):
        running = [
            threads.submit(work, stations.deliveries, deliverer, owner=owner, bell=bell, pace=pace)
            for _ in range(DESTINATIONS_AT_ONCE)
        ]
        running.append(threads.submit(_probe, stations, deliverer, stop))
        for ended in as_completed(running):
            stop.set()
            ended.result()


def run_answerer(stations: Stations, stop: threading.Event, owner: str | None) -> None:
    """Answer those who call our DICOM port, until stopped.

    Raises
    ------
    GatewayError
        The address is taken, or a certificate cannot be read.
    """
    settings = stations.settings.dicom
    address = (settings.host, settings.port)
    refusals = Refusals(stations.audit.add, utc_now, port="DICOM port")
    gate = replace(our_gate(stations.settings), refused=refusals)
    service = our_service(address, gate, our_limits(stations.settings), stations.deliveries.proofs)
    where = f"{settings.ae_title} at {settings.host}:{settings.port}{' in the clear' if settings.plain else ''}"
    with refusals.kept(), service, _seen(stations, owner or owner_name("dicom"), "dicom", where):
        logger.info("answering DICOM calls", extra={"host": settings.host, "port": service.port})
        stop.wait()


@contextmanager
def _seen(stations: Stations, owner: str, role: str, place: str) -> Iterator[None]:
    """Let people see that a role is at work, and what it logs of each job, as long as the block lasts."""
    log = JobLog(stations.jobs.engine, line_of)
    with log.kept(), stations.presences.at_work(owner, role, place):
        yield


def _probe(stations: Stations, deliverer: Deliverer, stop: threading.Event) -> None:
    """Look after destinations that do not answer, until stopped."""
    while not stop.is_set():
        with suppress(StorageFault):  # the next time, then
            deliverer.probe(stations.steering.in_force())
        stop.wait(PROBE_EVERY_S)


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
    from gateway.serving import showing  # noqa: PLC0415 - commands that do not show the page do without it

    stations = open_stations(config)
    _tell_of_routes(stations)
    with ExitStack() as running:
        running.enter_context(listening(stations))
        if stations.settings.web.enabled:
            running.enter_context(showing(stations))
        running.enter_context(keeping(stations))
        worker = _child("work", config, stations, stations.jobs)
        worker = replace(worker, max_memory_bytes=stations.settings.workers.max_memory_bytes)
        deliverer = _child("deliver", config, stations, stations.deliveries)
        workers = [worker] * stations.settings.workers.count
        children = [*workers, deliverer]
        if stations.settings.dicom.enabled:
            children.append(_child("dicom", config, stations, stations.deliveries))  # of which it claims none
        running.enter_context(supervise(children, stop))
        yield stations


@contextmanager
def keeping(stations: Stations) -> Iterator[None]:
    """Do what has to be done again and again as long as the block lasts.

    It goes with the listener: there is one for each spool, so that nothing is done, and nobody told, twice.
    """
    duties = {
        **duties_of(stations.jobs, stations.deliveries, stations.replies, stations.headstarts),
        **_housekeeping(stations),
    }
    remind = lambda: stations.jobs.charts.remind(phantoms_due(stations.routes))  # noqa: E731 - the routes of that moment
    duties["remind of phantoms that nobody has scanned"] = (REMIND_EVERY_S, remind)
    if (notifier := notifier_of(stations)) is not None:
        duties["tell people what needs them"] = (TELL_EVERY_S, notifier.tell)
    if (auditor := auditor_of(stations)) is not None:
        duties["forward the audit trail"] = (TELL_EVERY_S, auditor.tell)
    scheduler = start_schedule(duties)
    try:
        yield
    finally:
        scheduler.shutdown()


def _housekeeping(stations: Stations) -> Mapping[str, tuple[float, Callable[[], object]]]:
    listener, recordings = stations.settings.listener, stations.settings.recordings
    watch = None
    if recordings.watch_folder is not None:
        make_folder(recordings.watch_folder)
        everywhere = listener.host in ("0.0.0.0", "::")  # noqa: S104 - asked, not bound
        watch = WatchFolder(recordings.watch_folder, "localhost" if everywhere else listener.host, listener.port)
    return housekeeping(stations.spool, deletions=_deletions(stations), watch=watch)


def _deletions(stations: Stations) -> Mapping[str, Callable[[], object]]:
    """List what is deleted when it is old, where the settings say when that is; pictures of the gate in any case."""
    settings, rows = stations.settings, Retention(stations.jobs.engine, utc_now)
    deletions: dict[str, Callable[[], object]] = {}
    if settings.recordings.keep_days is not None:
        keep = timedelta(days=settings.recordings.keep_days)
        deletions["delete old recordings"] = partial(retire, stations.spool, rows, keep=keep, clock=utc_now)
    if settings.recordings.keep_series_days is not None:
        keep = timedelta(days=settings.recordings.keep_series_days)
        outbox = settings.data.outbox_folder
        deletions["delete old series from the outbox"] = partial(clear_outbox, outbox, rows, keep=keep, clock=utc_now)
    keep = timedelta(days=settings.recordings.keep_series_days or PICTURES_LAST_DAYS)
    pictures = partial(clear_exhibits, stations.exhibits, rows, keep=keep, clock=utc_now)
    deletions["delete old pictures of the gate"] = pictures
    return deletions


def _child(role: str, config: Path | None, stations: Stations, queue: JobQueue | DeliveryQueue) -> Child:
    def gone(take_back: Callable[[str], int], owner: str) -> int:
        """Take a process that is no more off the list of those at work, and take back what it had claimed."""
        stations.presences.gone(owner)
        return take_back(owner)

    command = [sys.executable, "-m", "gateway", role, "--leashed"]
    return Child(
        role=role,
        command=[*command, *(["--config", str(config)] if config else [])],
        reap=partial(gone, queue.reap),
        interrupt=partial(gone, queue.interrupt),
        grace_s=stations.settings.queue.grace_s,
    )
