"""A series counts as kept when its destination has said so or has shown it, and what it does not keep is sent again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pynetdicom.events import Event

from gateway.dicom.command import Field
from gateway.dicom.commitment import STORAGE_COMMITMENT, takes_reports
from gateway.dicom.service import DicomService
from gateway.dicom.session import Answer, Gate
from gateway.jobs.audit import AuditTrail
from gateway.jobs.clock import utc_now
from gateway.model.delivery import DeliveryState
from gateway.model.destinations import FolderDestination
from gateway.model.errors import PeerUnreachable
from gateway.model.series import Instance
from gateway.model.work import WorkEvent
from tests.dicom.committing import Archive, committing, shows
from tests.dicom.outbox import pacs
from tests.dicom.scripted import scripted_pacs
from tests.jobs.conftest import TurnedClock
from tests.peers import LOOPBACK
from tests.test_deliver import N_IMAGES, Site, run_next

TIMEOUT_S = 60.0
STORED, WAITING, COMMITTED, HELD = (
    {"a": state} for state in (DeliveryState.STORED, DeliveryState.WAITING, DeliveryState.COMMITTED, DeliveryState.HELD)
)


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
def site(tmp_path: Path, clock: TurnedClock) -> Site:
    """With one series for the destination ``a``."""
    site = Site(tmp_path, clock)
    site.finish("a")
    return site


@pytest.fixture
def archive() -> Archive:
    return Archive()


def deliver(site: Site, port: int, **options: Any) -> None:  # noqa: ANN401 - any option of a PACS
    """Work the delivery, to the archive; nobody waits for its report, unless the test says so."""
    given = {"commitment_timeout_s": TIMEOUT_S, "report_wait_s": 0} | options
    run_next(site, site.deliverer(a=pacs(port, **given)))


def told(site: Site) -> str:
    """What the page says of the delivery."""
    (view,) = site.queries.job(1).deliveries
    return view.reason


def finished(site: Site) -> bool:
    """Whether nothing more is waited for, as retention sees it."""
    return bool(site.retention.delivered_before(site.deliveries.clock() + timedelta(seconds=1)))


@pytest.fixture
def our_port(site: Site) -> Iterator[int]:
    """Where the archive calls back."""
    handlers = {(STORAGE_COMMITMENT, int(Field.N_EVENT_REPORT)): takes_reports(site.deliveries.proofs.report)}
    with DicomService((LOOPBACK, 0), Gate(ae_title="MRGW", callers=None), handlers) as service:
        yield service.port


def test_a_report_over_the_same_association_commits(site: Site, archive: Archive) -> None:
    with committing(archive) as port:
        deliver(site, port, report_wait_s=5)
    assert site.states() == COMMITTED
    assert finished(site)
    assert told(site) == f"{N_IMAGES} of {N_IMAGES} instances committed"


def test_until_it_has_reported_nothing_is_finished(site: Site, archive: Archive, our_port: int) -> None:
    with committing(archive) as port:
        archive.on_request = lambda _transaction: Answer(0)
        deliver(site, port)
        assert site.states() == STORED
        assert "report due 2026-03-01 12:01 UTC" in told(site)
        assert not finished(site)
        assert not site.queries.job(1).settled
        assert site.deliveries.claim("d") is None
        (transaction,) = archive.asked
        assert archive.call_back(our_port, transaction) == 0
    assert site.states() == COMMITTED
    assert finished(site)


def test_a_report_that_comes_after_a_restart_counts(
    site: Site, archive: Archive, tmp_path: Path, clock: TurnedClock
) -> None:
    with committing(archive) as port:
        archive.on_request = lambda _transaction: Answer(0)
        deliver(site, port)
    (transaction,) = archive.asked
    again = Site(tmp_path, clock)
    handlers = {(STORAGE_COMMITMENT, int(Field.N_EVENT_REPORT)): takes_reports(again.deliveries.proofs.report)}
    with DicomService((LOOPBACK, 0), Gate(ae_title="MRGW", callers=None), handlers) as service:
        assert archive.call_back(service.port, transaction) == 0
        before = again.queries.timeline(again.queries.job(1))
        assert archive.call_back(service.port, transaction) == 0, "a report that comes twice is no fault"
    assert again.states() == COMMITTED
    assert again.queries.timeline(again.queries.job(1)) == before


def test_a_report_that_nobody_asked_for_is_refused_and_seen(site: Site, archive: Archive, our_port: int) -> None:
    archive.asked["1.2.3"] = {"1.2.4": "1.2.840.10008.5.1.4.1.1.4"}
    assert archive.call_back(our_port, "1.2.3") == 0x0110
    line = AuditTrail(site.deliveries.engine, utc_now).newest(10)[0]
    assert (line.deed.who, line.deed.what) == ("PACS", "unknown storage commitment refused")


def test_what_is_not_kept_is_sent_again_and_nothing_else(site: Site, archive: Archive, clock: TurnedClock) -> None:
    lost = {one.sop_instance_uid for one in _all(site)[3:5]}
    with committing(archive) as port:
        archive.lost = set(lost)
        deliver(site, port, report_wait_s=5)
        assert site.states() == WAITING
        assert f"does not keep 2 of {N_IMAGES} instances" in told(site)
        assert not finished(site)
        archive.lost = set()
        clock.turn(1)
        deliver(site, port, report_wait_s=5)
    assert site.states() == COMMITTED
    assert {uid for uid, times in archive.arrived.items() if times == 2} == lost
    assert set(archive.arrived.values()) == {1, 2}
    second = list(archive.asked.values())[1]
    assert set(second) == lost, "what was committed is not asked for again"


def _all(site: Site) -> tuple[Instance, ...]:
    claimed = site.deliveries.claim("d")
    assert claimed is not None
    site.deliveries.reap("d")
    return claimed.instances


def test_where_no_report_comes_in_time_a_query_decides(site: Site, archive: Archive, clock: TurnedClock) -> None:
    """The same PACS, as pynetdicom speaks: it takes the request, never reports, and shows what it has."""
    with committing(archive) as port:
        archive.on_request = lambda _transaction: Answer(0)
        deliver(site, port)
    clock.turn(TIMEOUT_S - 1)
    assert site.deliveries.claim("d") is None
    clock.turn(1)
    with scripted_pacs(lambda _event: 0, find=shows(archive)) as (port, _):
        deliver(site, port)
    assert site.states() == COMMITTED
    assert told(site) == f"{N_IMAGES} of {N_IMAGES} instances shown"


def test_a_pacs_that_lost_some_is_found_out_by_a_query(site: Site, archive: Archive, clock: TurnedClock) -> None:
    """Given time: what was just sent may not be filed yet."""

    def keep(event: Event) -> int:
        archive.arrived[str(event.file_meta.MediaStorageSOPInstanceUID)] += 1
        return 0

    lost = _all(site)[7].sop_instance_uid
    archive.lost = {lost}
    with scripted_pacs(keep, find=shows(archive)) as (port, _):
        clock.turn(1)
        deliver(site, port, commitment="query")
        assert site.states() == STORED
        assert f"{N_IMAGES - 1} of {N_IMAGES} instances shown" in told(site)
        clock.turn(TIMEOUT_S)
        deliver(site, port, commitment="query")
        assert site.states() == WAITING
        archive.lost = set()
        clock.turn(1)
        deliver(site, port, commitment="query")
    assert site.states() == COMMITTED
    assert archive.arrived[lost] == 2
    assert sum(archive.arrived.values()) == N_IMAGES + 1


def test_a_report_of_failure_outweighs_what_a_query_showed(
    site: Site, archive: Archive, clock: TurnedClock, our_port: int
) -> None:
    with committing(archive) as port:
        archive.on_request = lambda _transaction: Answer(0)
        deliver(site, port)
    clock.turn(TIMEOUT_S)
    with scripted_pacs(lambda _event: 0, find=shows(archive)) as (port, _):
        deliver(site, port)
    assert site.states() == COMMITTED
    (transaction,) = archive.asked
    archive.lost = {next(iter(archive.arrived))}
    assert archive.call_back(our_port, transaction) == 0
    assert site.states() == WAITING
    assert not finished(site)


def test_a_pacs_that_gives_no_proof_leaves_the_delivery_unfinished(site: Site, archive: Archive) -> None:
    with committing(archive, commits=False) as port:
        deliver(site, port)
    assert site.states() == STORED
    assert "no proof that they are kept" in told(site)
    assert not finished(site)


@pytest.mark.parametrize("commitment", ["required", "query"])
def test_where_the_routes_want_a_proof_that_is_not_given_a_person_decides(
    commitment: str, site: Site, archive: Archive, clock: TurnedClock
) -> None:
    with committing(archive, commits=False) as port:
        deliver(site, port, commitment=commitment)
        assert site.states() == HELD
        assert "Let the PACS give it, or give the destination another commitment" in told(site)
        site.deliveries.act(1, WorkEvent.RELEASE, who="anna")
        clock.turn(1)
        deliver(site, port, commitment="none")
    assert site.states() == STORED
    assert finished(site)
    assert set(archive.arrived.values()) == {1}


def test_who_believes_the_answers_is_finished_with_them(site: Site, archive: Archive) -> None:
    with committing(archive) as port:
        deliver(site, port, commitment="none")
    assert site.states() == STORED
    assert finished(site)
    assert archive.asked == {}


@pytest.mark.parametrize("status", [0x0106, 0x0110, 0x0112, 0x0119, 0x0123, 0x0124, 0x0211, 0x0213])
def test_a_refused_request_is_no_proof(status: int, site: Site, archive: Archive) -> None:
    with committing(archive) as port:
        archive.on_request = lambda _transaction: Answer(status)
        deliver(site, port, commitment="required")
    assert site.states() == HELD
    assert f"0x{status:04X}" in told(site)


def test_a_pacs_that_breaks_off_is_asked_again_with_another_transaction(
    site: Site, archive: Archive, clock: TurnedClock
) -> None:
    def break_off(_transaction: str) -> Answer:
        raise PeerUnreachable("the PACS died of it")

    with committing(archive) as port:
        archive.on_request = break_off
        deliver(site, port, commitment="required")
        assert site.states() == WAITING
        clock.turn(1)
        archive.on_request = lambda _transaction: None
        deliver(site, port, commitment="required", report_wait_s=5)
    assert site.states() == COMMITTED
    assert len(archive.asked) == 2
    assert set(archive.arrived.values()) == {1}, "what was stored is not sent again"


def test_a_report_that_waits_on_its_association_is_not_waited_for_when_it_came_by_another(
    site: Site, archive: Archive, our_port: int
) -> None:
    def call_back_first(transaction: str) -> Answer:
        assert archive.call_back(our_port, transaction) == 0
        return Answer(0)

    with committing(archive) as port:
        archive.on_request = call_back_first
        deliver(site, port, report_wait_s=1000)
    assert site.states() == COMMITTED


def test_a_folder_is_read_back(site: Site, tmp_path: Path) -> None:
    shelf = site.deliverer(a=FolderDestination(path=tmp_path / "shelf"))
    run_next(site, shelf)
    assert site.states() == COMMITTED
    assert told(site) == f"{N_IMAGES} of {N_IMAGES} instances shown"
