"""The audit trail reaches a record repository: valid by the schema of DICOM, in order, again until it is there."""

from __future__ import annotations

import base64
import re
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from defusedxml.ElementTree import fromstring
from pydicom import dcmread
from sqlalchemy import Engine

from gateway.atna.message import Participant, Source
from gateway.atna.syslog import Syslog
from gateway.auditing import FIRST_WAIT_S, RULES, Auditor
from gateway.dicom.scp import StoreScp
from gateway.dicom.syntaxes import UNCOMPRESSED, decode_dataset
from gateway.dicom.tls import client_context
from gateway.jobs.audit import AuditTrail
from gateway.jobs.forwarding import LEASE, Forwarding
from gateway.jobs.transfers import transfer
from gateway.model.destinations import Tls
from gateway.model.errors import NotTold
from gateway.model.recipes import FftRecipe
from gateway.model.route import Routes, Rule
from gateway.model.sources import WorklistSource
from gateway.settings.telling import Atna
from tests.atna.rsyslog import repository
from tests.dicom.certificates import Identity, authority, signed
from tests.dicom.outbox import pacs
from tests.jobs.conftest import TurnedClock
from tests.peers import LOOPBACK, free_port
from tests.test_deliver import Site, run_next

SCHEMA = Path(__file__).with_name("audit-message.rng")
PEERS = ("rsyslogd", "lmnsd_ossl.so", "openssl")
US = Participant(user="mri-gateway@here", other_id="AETITLES=MRGW", address="here")


class Shelf:
    """Keeps what is sent, or refuses it."""

    def __init__(self) -> None:
        self.got: list[tuple[datetime, bytes]] = []
        self.refuses = False

    def __call__(self, messages: list[tuple[datetime, bytes]]) -> None:
        if self.refuses:
            raise NotTold("nobody answers")
        self.got += messages

    @property
    def events(self) -> list[str]:
        return [_event_of(xml) for _, xml in self.got]


def _event_of(xml: bytes) -> str:
    found = fromstring(xml).find("EventIdentification/EventID")
    assert found is not None
    return found.attrib["originalText"]


@pytest.fixture
def site(tmp_path: Path, clock: TurnedClock) -> Site:
    return Site(tmp_path, clock)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def routes() -> Routes:
    """Whom deliveries go to, and who is asked."""
    worklist = WorklistSource(host="worklist.example.org", ae_title="WL", plain=True)
    return Routes(
        recipes={"fft": FftRecipe()},
        destinations={"pacs": pacs(104, "ARCHIVE")},
        sources={"worklist": worklist},
        rules=(Rule(name="all", recipe="fft", destinations=("pacs",)),),
    )


@pytest.fixture
def auditor(site: Site, shelf: Shelf, clock: TurnedClock, routes: Routes) -> Auditor:
    return auditor_of(site.deliveries.engine, clock, routes, site.outbox, shelf)


def auditor_of(engine: Engine, clock: TurnedClock, routes: Routes, outbox: Path, send: Callable[..., None]) -> Auditor:
    auditor = Auditor(
        forwarding=Forwarding(engine, clock),
        transfer=partial(transfer, engine),
        routes=lambda _version: routes,
        in_force=lambda: 0,
        outbox=outbox,
        page="https://gateway.example.org/",
        us=US,
        source=Source(id="mrgw-1", site="Clinic"),
        send=send,
    )
    auditor.open()
    return auditor


@pytest.fixture
def trail(site: Site, auditor: Auditor, clock: TurnedClock) -> AuditTrail:
    assert auditor.forwarding.state() is not None, "it is open before anything happens"
    return AuditTrail(site.deliveries.engine, clock)


EVERYTHING = (
    ("root@here", "gateway started", "everything, version 1"),
    ("anna@192.0.2.7", "signed in", ""),
    ("mallory@2001:db8::7", "sign-in refused", ""),
    ("192.0.2.66", "caller refused", "DICOM port: nobody may call from this address"),
    ("anna@192.0.2.7", "query", "worklist: patient_id, study_date"),
    ("worker@here:17:ab", "query", "pacs: whose scan job 3 is"),
    ("anna@192.0.2.7", "routes applied", "version 2"),
    ("anna@192.0.2.7", "token made", "scanner: look"),
    ("anna@192.0.2.7", "jobs 1 released", "of no interest to PS3.15"),
    ("anna@192.0.2.7", "audit trail read", ""),
    ("anna@192.0.2.7", "signed out", ""),
    ("root@here", "gateway stopped", "everything"),
)
"""A line of each kind."""

TOLD = (
    "Application Activity",
    "User Authentication",
    "User Authentication",
    "Security Alert",
    "Query",
    "Query",
    "Security Alert",
    "Security Alert",
    "Audit Log Used",
    "User Authentication",
    "Application Activity",
)


@pytest.mark.peer("xmllint")
def test_every_kind_of_message_is_valid_by_the_schema_of_dicom(
    site: Site, auditor: Auditor, trail: AuditTrail, shelf: Shelf, tmp_path: Path
) -> None:
    for who, what, text in EVERYTHING:
        trail.add(who, what, text)
    trail.add("evil\0\x1b\ufffe<b>@192.0.2.7", "sign-in refused", '"&<![CDATA[\0')
    deliver(site, tmp_path)
    auditor.tell()
    assert tuple(shelf.events) == (*TOLD, "User Authentication", "DICOM Instances Transferred")
    files = []
    for number, (_, xml) in enumerate(shelf.got):
        files.append(tmp_path / f"{number}.xml")
        files[-1].write_bytes(xml)
    command = ["/usr/bin/xmllint", "--noout", "--relaxng", str(SCHEMA), *map(str, files)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    done = [what for _, what, _ in EVERYTHING] + ["deliveries 1 stored"]
    assert not [pattern for pattern in RULES if not any(re.fullmatch(pattern, what) for what in done)], "each was tried"


def deliver(site: Site, folder: Path) -> None:
    """Send a series to a PACS."""
    with StoreScp("PACS", LOOPBACK, 0, folder / "pacs") as scp:
        deliverer = site.deliverer(pacs=pacs(scp.port))
        site.finish("pacs")
        run_next(site, deliverer)


def test_a_study_that_was_sent_is_told_once_with_its_patient_and_both_sides(
    site: Site, auditor: Auditor, trail: AuditTrail, shelf: Shelf, tmp_path: Path
) -> None:
    deliver(site, tmp_path)
    (line,) = trail.newest(9)
    assert (line.deed.what, line.deed.text) == ("deliveries 1 stored", "12 instances of job 1 to pacs")
    auditor.tell()
    auditor.tell()
    ((_, xml),) = shelf.got
    told = fromstring(xml)
    ds = dcmread(next((tmp_path / "pacs").rglob("*.dcm")))
    study, patient = told.findall("ParticipantObjectIdentification")
    assert study.attrib["ParticipantObjectID"] == ds.StudyInstanceUID
    (of_class,) = study.iter("SOPClass")
    assert of_class.attrib == {"UID": ds.SOPClassUID, "NumberOfInstances": "12"}
    assert patient.attrib["ParticipantObjectID"] == ds.PatientID
    assert patient.findtext("ParticipantObjectName") == str(ds.PatientName)
    sides = [(one.attrib["AlternativeUserID"], one[0].attrib["csd-code"]) for one in told.iter("ActiveParticipant")]
    assert sides == [("AETITLES=MRGW", "110153"), ("AETITLES=ARCHIVE", "110152")]
    assert str(ds.PatientName) not in f"{line.deed}", "the trail itself names nobody"


def test_a_study_that_was_given_up_is_told_as_a_failure(
    site: Site, auditor: Auditor, trail: AuditTrail, shelf: Shelf
) -> None:
    site.finish("pacs")
    claimed = site.deliveries.claim("d")
    assert claimed is not None
    site.deliveries.stored(claimed, [(claimed.instances[0], 0)])
    site.deliveries.fail(claimed.lease, "it was refused")
    (line,) = trail.newest(9)
    assert (line.deed.what, line.deed.text) == ("deliveries 1 not stored", "1 of 12 instances of job 1 to pacs")
    auditor.tell()
    ((_, xml),) = shelf.got
    outcome = fromstring(xml).find("EventIdentification")
    assert outcome is not None
    assert outcome.attrib["EventOutcomeIndicator"] == "8"


def test_a_query_is_told_by_its_keys_and_without_their_values(
    auditor: Auditor, trail: AuditTrail, shelf: Shelf
) -> None:
    trail.add("anna@192.0.2.7", "query", "worklist: patient_id")
    auditor.tell()
    ((_, xml),) = shelf.got
    asked = fromstring(xml).find("ParticipantObjectIdentification")
    assert asked is not None
    assert asked.attrib["ParticipantObjectID"] == "1.2.840.10008.5.1.4.31"
    ds = decode_dataset(base64.b64decode(asked.findtext("ParticipantObjectQuery") or ""), UNCOMPRESSED[0])
    assert [(element.keyword, element.value) for element in ds] == [("PatientID", "")]


def test_nothing_is_lost_while_the_repository_is_away_and_nothing_comes_twice(
    auditor: Auditor, trail: AuditTrail, shelf: Shelf, clock: TurnedClock
) -> None:
    shelf.refuses = True
    for number in range(450):
        trail.add(f"person {number}@192.0.2.7", "signed in")
    auditor.tell()
    state = auditor.forwarding.state()
    assert state is not None
    assert (state.waiting, state.attempt, state.reason) == (450, 1, "nobody answers")
    shelf.refuses = False
    auditor.tell()
    assert shelf.got == [], "not before it is time again"
    clock.turn(FIRST_WAIT_S)
    auditor.tell()
    people = [fromstring(xml).findall("ActiveParticipant")[0].attrib["UserID"] for _, xml in shelf.got]
    assert people == [f"person {number}" for number in range(450)]
    state = auditor.forwarding.state()
    assert state is not None
    assert (state.waiting, state.attempt, state.reason) == (0, 0, "")


def test_a_repository_hears_of_nothing_from_before_it_was_set_and_of_all_after_that(
    site: Site, shelf: Shelf, clock: TurnedClock, routes: Routes
) -> None:
    trail = AuditTrail(site.deliveries.engine, clock)
    trail.add("anna@192.0.2.7", "signed in")
    first = auditor_of(site.deliveries.engine, clock, routes, site.outbox, shelf)
    first.tell()
    assert shelf.got == []
    trail.add("anna@192.0.2.7", "signed out")
    auditor_of(site.deliveries.engine, clock, routes, site.outbox, shelf).tell()
    assert shelf.events == ["User Authentication"], "also by one that was started again"


def test_of_two_only_one_forwards_and_whoever_dies_is_followed_by_the_other(engine: Engine, clock: TurnedClock) -> None:
    one, other = Forwarding(engine, clock), Forwarding(engine, clock)
    one.open()
    other.open()
    trail = AuditTrail(engine, clock)
    for number in range(3):
        trail.add("anna", f"did {number}")
    assert [line.number for line in one.due()] == [1, 2, 3]
    assert other.due() == [], "one of them is at it, and dies"
    clock.turn(LEASE / timedelta(seconds=1) + 1)
    assert [line.number for line in other.due()] == [1, 2, 3]
    other.told(3)
    assert one.due() == []
    trail.add("anna", "did more")
    assert [line.number for line in one.due()] == [4]
    one.failed("nobody answers", wait=timedelta(seconds=5))
    assert other.due() == []
    state = other.state()
    assert state is not None
    assert (state.last_told, state.waiting, state.reason) == (3, 1, "nobody answers")


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Identity]:
    folder = tmp_path_factory.mktemp("town")
    ca, rogue = authority(folder, "ca"), authority(folder, "rogue")
    return {
        "ca": ca,
        "syslog": signed(ca, folder, "syslog", "DNS:localhost"),
        "gateway": signed(ca, folder, "gateway", "DNS:gateway"),
        "stranger": signed(rogue, folder, "stranger", "DNS:gateway"),
    }


def syslog(port: int, town: dict[str, Identity], who: str = "gateway") -> Syslog:
    tls = Tls(ca_file=town["ca"].certificate, certificate_file=town[who].certificate, key_file=town[who].key)
    return Syslog(host="localhost", port=port, context=partial(client_context, tls), hostname="here", timeout_s=5)


@pytest.mark.peer(*PEERS)
def test_rsyslog_takes_messages_over_tls_from_whom_it_knows_and_over_udp(
    auditor: Auditor, trail: AuditTrail, shelf: Shelf, town: dict[str, Identity], tmp_path: Path
) -> None:
    for who, what, text in EVERYTHING:
        trail.add(who, what, text)
    auditor.tell()
    port = free_port()
    with repository(tmp_path, port, ours=town["syslog"], ca=town["ca"]) as kept:
        syslog(port, town).check()
        syslog(port, town)(shelf.got)
        with pytest.raises(NotTold):
            syslog(port, town, "stranger")(shelf.got)
        Syslog(host=LOOPBACK, port=port, context=None, hostname="here", timeout_s=5)(shelf.got[:1])
    sent = [xml.decode() for _, xml in shelf.got]
    assert kept.messages == [*sent, sent[0]]


@pytest.mark.peer(*PEERS)
def test_a_server_that_is_not_whom_we_know_gets_nothing(town: dict[str, Identity], tmp_path: Path) -> None:
    port = free_port()
    with repository(tmp_path, port, ours=town["stranger"], ca=town["ca"]) as kept:
        with pytest.raises(NotTold, match="certificate"):
            syslog(port, town)([(datetime.now(UTC), b"secret")])
        with pytest.raises(NotTold):
            syslog(port, town).check()
    assert kept.messages == []


def test_over_udp_a_machine_on_which_nobody_listens_is_noticed() -> None:
    server = Syslog(host=LOOPBACK, port=free_port(), context=None, hostname="here", timeout_s=5)
    with pytest.raises(NotTold, match="ConnectionRefusedError"):
        server([(datetime.now(UTC), b"<AuditMessage/>")])


@contextmanager
def deaf_server(ours: Identity) -> Iterator[int]:
    """A server that lets one in, reads nothing, and dies: its machine resets the connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ours.certificate, ours.key)

    def serve(listening: socket.socket) -> None:
        with context.wrap_socket(listening.accept()[0], server_side=True) as caller:
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with socket.create_server((LOOPBACK, 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


@pytest.mark.peer("openssl")
def test_a_server_that_dies_with_messages_unread_has_not_got_them(town: dict[str, Identity]) -> None:
    with deaf_server(town["syslog"]) as port, pytest.raises(NotTold):
        syslog(port, town)([(datetime.now(UTC), b"x" * 1000)] * 2000)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"host": "syslog"}, "allowed_hosts must name 'syslog'"),
        ({"host": "syslog", "allowed_hosts": ["syslog"], "key_file": "k"}, "key_file needs a certificate_file"),
        ({"host": "syslog", "allowed_hosts": ["syslog"], "plain": True, "ca_file": "c"}, "contradicts TLS"),
    ],
)
def test_patients_data_go_nowhere_that_nobody_has_named(said: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Atna.model_validate(said)
