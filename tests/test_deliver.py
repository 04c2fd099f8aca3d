"""From the outbox to the destination: nothing twice, nothing lost, and no destination waits for another."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pynetdicom.events import Event
from sqlalchemy import select

from gateway.answer import our_service
from gateway.deliver import Deliverer
from gateway.dicom.scp import LIMITS, StoreScp
from gateway.dicom.series import build_series, write_series
from gateway.dicom.session import Answer, Gate
from gateway.jobs.bell import Bell, Pace
from gateway.jobs.breaker import FAILURES_TO_OPEN
from gateway.jobs.clock import Clock, utc_now
from gateway.jobs.database import open_database, reading, upgrade
from gateway.jobs.deliveries import DeliveryQueue
from gateway.jobs.lease import Terms
from gateway.jobs.queries import Queries
from gateway.jobs.reconstructions import JobQueue
from gateway.jobs.retention import Retention
from gateway.jobs.scans import ScanStore
from gateway.jobs.tables import commitments
from gateway.jobs.worker import work
from gateway.model.delivery import DeliveryState
from gateway.model.destinations import Destination, FolderDestination, StowDestination
from gateway.model.errors import PeerUnreachable, Unconfirmed
from gateway.model.recipes import FftRecipe
from gateway.model.route import Routes, Rule
from tests.dicom import scans
from tests.dicom.committing import Archive, committing
from tests.dicom.outbox import pacs
from tests.dicom.scripted import scripted_pacs
from tests.jobs.conftest import seal
from tests.peers import LOOPBACK, free_port
from tests.running import configured

TERMS = Terms(retry_first_s=0.01, retry_longest_s=0.01)
N_IMAGES = 12


class Site:
    """A database and an outbox with finished series; what a reconstruction leaves behind."""

    def __init__(self, data: Path, clock: Clock = utc_now) -> None:
        self.outbox = data / "outbox"
        self.outbox.mkdir(parents=True, exist_ok=True)
        engine = open_database(f"sqlite:///{data}/gateway.db")
        upgrade(engine)
        self._scans, self._jobs = ScanStore(engine, clock), JobQueue(engine, clock, TERMS)
        self.deliveries = DeliveryQueue(engine, clock, TERMS)
        self.queries = Queries(engine)
        self.retention = Retention(engine, clock)

    def finish(self, *destinations: str, number: int = 1) -> None:
        """Let a job end with one series, for these destinations."""
        assert self._scans.finish(seal(number), f"{number}.mrd")[2] is not None
        claimed = self._jobs.claim("worker")
        assert claimed is not None
        pixels = np.random.default_rng(number).random((N_IMAGES, 8, 8), dtype=np.float32)
        plan = replace(scans.plan(), recording_digest=f"{number:064x}")
        images = scans.images(pixels, scans.frames(np.eye(3), [float(mm) for mm in range(N_IMAGES)]))
        series = write_series(build_series(images, scans.header(), plan), self.outbox, lambda *_: None)
        self._jobs.succeed(claimed, [series], list(destinations))

    def deliverer(self, **destinations: Destination) -> Deliverer:
        """One for these destinations."""
        rule = Rule(name="all", recipe="fft", destinations=tuple(destinations))
        routes = Routes(recipes={"fft": FftRecipe()}, destinations=destinations, rules=(rule,))
        return Deliverer(deliveries=self.deliveries, outbox=self.outbox, routes=lambda _version: routes)

    def states(self, job: int = 1) -> dict[str, DeliveryState]:
        """Where each delivery stands."""
        return {one.destination: DeliveryState(one.state) for one in self.queries.job(job).deliveries}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def run_next(site: Site, deliverer: Deliverer) -> None:
    """Work one delivery as the loop does, without its waiting."""
    claimed = site.deliveries.claim("d")
    assert claimed is not None
    try:
        deliverer(claimed)
    except PeerUnreachable as fault:
        site.deliveries.postpone(claimed.lease, str(fault))
    except Unconfirmed as fault:
        site.deliveries.hold(claimed.lease, str(fault))


def test_a_series_reaches_every_destination(site: Site, tmp_path: Path) -> None:
    with StoreScp("PACS", LOOPBACK, 0, tmp_path / "pacs") as scp:
        deliverer = site.deliverer(a=pacs(scp.port), b=FolderDestination(path=tmp_path / "folder"))
        site.finish("a", "b")
        run_next(site, deliverer)
        run_next(site, deliverer)
    assert site.states() == {"a": DeliveryState.COMMITTED, "b": DeliveryState.COMMITTED}
    for place in ("pacs", "folder"):
        assert len(list((tmp_path / place).rglob("*.dcm"))) == N_IMAGES


def test_one_destination_gets_one_series_at_a_time_and_others_do_not_wait(site: Site) -> None:
    for number in (1, 2):
        site.finish("a", "b", number=number)
    first, second = site.deliveries.claim("d"), site.deliveries.claim("d")
    assert first is not None
    assert second is not None
    assert {first.destination, second.destination} == {"a", "b"}
    assert site.deliveries.claim("d") is None
    site.deliveries.succeed(first)
    third = site.deliveries.claim("d")
    assert third is not None
    assert third.destination == first.destination


def test_a_dead_destination_uses_up_no_attempts_once_it_is_known_and_is_found_when_it_is_back(
    site: Site, tmp_path: Path
) -> None:
    port = free_port()
    deliverer = site.deliverer(a=pacs(port), b=FolderDestination(path=tmp_path / "folder"))
    site.finish("a")
    for _ in range(FAILURES_TO_OPEN):
        wait_until_due(site)
        run_next(site, deliverer)
    assert site.deliveries.breaker.open() == {"a"}
    site.finish("b", number=2)
    claimed = site.deliveries.claim("d")
    assert claimed is not None
    assert claimed.destination == "b"
    deliverer(claimed)
    assert site.deliveries.claim("d") is None
    deliverer.probe(1)
    assert site.deliveries.breaker.open() == {"a"}
    with StoreScp("PACS", LOOPBACK, port, tmp_path / "pacs"):
        deliverer.probe(1)
        assert site.deliveries.breaker.open() == frozenset()
        run_next(site, deliverer)
    assert site.states() == {"a": DeliveryState.COMMITTED}


def wait_until_due(site: Site) -> None:
    """The wait between attempts is a hundredth of a second here."""
    due = utc_now()
    while (utc_now() - due).total_seconds() < TERMS.retry_longest_s:
        assert site.queries.job(1) is not None


def test_a_destination_that_nobody_names_any_more_is_forgotten(site: Site) -> None:
    for _ in range(FAILURES_TO_OPEN):
        site.deliveries.breaker.failed("gone")
        site.deliveries.breaker.failed("web")
    web = StowDestination(url=f"http://{LOOPBACK}:{free_port()}", plain=True)
    site.deliverer(web=web).probe(1)
    assert site.deliveries.breaker.open() == {"web"}


def test_an_answer_in_between_starts_the_count_anew(site: Site) -> None:
    breaker = site.deliveries.breaker
    for _ in range(FAILURES_TO_OPEN - 1):
        breaker.failed("a")
    breaker.reached("a")
    breaker.failed("a")
    assert breaker.open() == frozenset()


def test_a_refusal_is_an_answer(site: Site) -> None:
    site.finish("a")
    with scripted_pacs(lambda _event: 0xA900) as (port, _):
        stop = threading.Event()
        deliverer = site.deliverer(a=pacs(port, commitment="none"))

        def once(claimed: object) -> None:
            stop.set()
            deliverer(claimed)  # type: ignore[arg-type]

        work(site.deliveries, once, owner="d", bell=Bell(stop, 0.01), pace=Pace())
    assert site.states() == {"a": DeliveryState.FAILED}
    assert site.deliveries.breaker.open() == frozenset()


class Killer:
    """A PACS that kills the deliverer in the middle of its work, and counts what arrived."""

    def __init__(self, deaths: Iterator[int]) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.arrived: Counter[str] = Counter()
        self._deaths = deaths
        self._left = next(deaths)

    def __call__(self, event: Event) -> int:
        self.arrived[str(event.file_meta.MediaStorageSOPInstanceUID)] += 1
        self._left -= 1
        if self._left == 0 and self.process is not None:
            self.process.kill()
            self._left = next(self._deaths, 0)
        return 0


@pytest.mark.parametrize("seed", [1, 2])
def test_a_deliverer_that_is_killed_at_any_point_leaves_one_whole_series(seed: int, tmp_path: Path) -> None:
    """What it had recorded is not sent again; what it was about to note, and was sending, may be."""
    deaths = [int(n) for n in np.random.default_rng(seed).integers(1, 6, size=2)]
    killer = Killer(iter(deaths))
    with scripted_pacs(killer) as (port, _):
        address = {"kind": "pacs", "host": LOOPBACK, "port": port, "ae_title": "PACS", "plain": True}
        address |= {"max_associations": 2, "commitment": "none"}
        config = configured(tmp_path, {"a": address}, lease_s=3, heartbeat_s=1)
        site = Site(tmp_path / "gateway-data")
        site.finish("a")
        for _ in range(len(deaths) + 1):
            _run_deliverer(config, site, killer)
    assert site.states() == {"a": DeliveryState.STORED}
    assert len(killer.arrived) == N_IMAGES
    assert sum(killer.arrived.values()) <= N_IMAGES + sum(deaths) + 2 * len(deaths)


@pytest.mark.parametrize("taken", [False, True])
def test_a_deliverer_that_is_killed_with_a_commitment_outstanding_leaves_one_committed_series(
    taken: bool, tmp_path: Path
) -> None:
    """Whether the PACS had answered the request or not, its report counts, also when it comes while nobody lives."""
    archive = Archive()

    def die(_transaction: str) -> Answer:
        if not taken:
            dying.kill()
        return Answer(0)

    archive.on_request = die
    with committing(archive) as port:
        address = {"kind": "pacs", "host": LOOPBACK, "port": port, "ae_title": "PACS", "plain": True}
        address |= {"commitment": "required", "report_wait_s": 60}
        config = configured(tmp_path, {"a": address}, lease_s=3, heartbeat_s=1)
        site = Site(tmp_path / "gateway-data")
        site.finish("a")
        with _deliverer(config) as dying:
            _wait_for(dying, lambda: bool(archive.asked) and (_taken(site) or not taken))
        (transaction,) = archive.asked
        our_port = our_service((LOOPBACK, 0), Gate(ae_title="MRGW", callers=None), LIMITS, site.deliveries.proofs)
        with our_port as service:
            assert archive.call_back(service.port, transaction) == 0
        assert site.states() == {"a": DeliveryState.SENDING}
        _reap(site)
        with _deliverer(config) as second:
            _wait_for(second, lambda: site.states() == {"a": DeliveryState.COMMITTED})
    assert site.states() == {"a": DeliveryState.COMMITTED}
    assert len(archive.arrived) == N_IMAGES
    assert set(archive.arrived.values()) == {1}
    assert list(archive.asked) == [transaction]


def _taken(site: Site) -> bool:
    with reading(site.deliveries.engine) as connection:
        return any(row.taken for row in connection.execute(select(commitments)))


@contextmanager
def _deliverer(config: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A deliverer, which is dead at the end."""
    command = [sys.executable, "-m", "gateway", "deliver", "--config", str(config)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        yield process
        process.kill()


def _wait_for(process: subprocess.Popen[bytes], true: Callable[[], bool]) -> None:
    """Wait for a condition, as long as the process lives."""
    while process.poll() is None and not true():
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue


def _run_deliverer(config: Path, site: Site, killer: Killer) -> None:
    """Run one until it is dead, or has delivered; what a dead one had claimed is taken back."""
    with _deliverer(config) as process:
        killer.process = process
        _wait_for(process, lambda: site.states() == {"a": DeliveryState.STORED})
    for view in site.queries.job(1).deliveries:
        if view.state == DeliveryState.SENDING:
            _reap(site)


def _reap(site: Site) -> None:
    """Wait for the end of the lease, as the schedule does."""
    while site.deliveries.reap() == 0:
        assert site.states() == {"a": DeliveryState.SENDING}
