"""Our own port answers those who may call, and nobody else can hold it, fill it or bring it down."""

from __future__ import annotations

import ipaddress
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import psutil
import pytest
from hypothesis import given, strategies as st
from pynetdicom import AE, build_role
from pynetdicom.sop_class import StorageCommitmentPushModel, Verification  # type: ignore[attr-defined]

from gateway.dicom import commitment, negotiation, pdu
from gateway.dicom.association import VERIFICATION, open_association
from gateway.dicom.command import Command, Field, encode_command
from gateway.dicom.commitment import STORAGE_COMMITMENT, takes_reports
from gateway.dicom.negotiation import Offer
from gateway.dicom.pdu import LARGEST_PDU_BYTES, PduType
from gateway.dicom.service import DicomService
from gateway.dicom.session import Gate, Handlers, ServiceLimits, answer_echo
from gateway.dicom.store import echo
from gateway.dicom.syntaxes import UNCOMPRESSED, encode_dataset
from gateway.model.callers import Caller
from gateway.model.commitment import Report
from gateway.model.errors import PeerRefused, PeerUnreachable
from gateway.model.refusal import Refusal
from tests.dicom.outbox import pacs
from tests.dicom.scripted import receive_pdu, reset
from tests.peers import LOOPBACK

OTHER_HOST = "127.0.0.2"
"""Linux answers on all of 127.0.0.0/8: an address to attack from."""
TIMEOUT_S = 0.4
PATIENCE_S = 10 * TIMEOUT_S
LIMITS = ServiceLimits(
    associations=4, associations_per_address=2, request_s=TIMEOUT_S, message_s=TIMEOUT_S, idle_s=TIMEOUT_S
)
PACS = Caller(ae_title="PACS", networks=(ipaddress.ip_network("127.0.0.0/8"),))
HERE = Caller(ae_title="HERE", networks=(ipaddress.ip_network(LOOPBACK),))


@pytest.fixture
def reports() -> list[Report]:
    """What has been reported."""
    return []


@pytest.fixture
def handlers(reports: list[Report]) -> Handlers:
    def take(report: Report, _calling: str) -> bool:
        reports.append(report)
        return report.transaction_uid == "1.2.3"

    return {
        (VERIFICATION, Field.C_ECHO): answer_echo,
        (STORAGE_COMMITMENT, Field.N_EVENT_REPORT): takes_reports(take),
    }


@pytest.fixture
def service(handlers: Handlers) -> Iterator[DicomService]:
    with DicomService((LOOPBACK, 0), Gate(ae_title="MRGW", callers=[PACS]), handlers, LIMITS) as listening:
        yield listening


def call(service: DicomService, calling: str = "PACS", called: str = "MRGW") -> None:
    echo(pacs(service.port, called, calling_ae_title=calling))


@pytest.mark.peer("echoscu")
def test_dcmtk_is_answered(service: DicomService) -> None:
    peer = ["-aet", "PACS", "-aec", "MRGW", LOOPBACK, str(service.port)]
    subprocess.run(["/usr/bin/echoscu", *peer], check=True)


def test_whoever_is_not_known_by_name_is_told_so(service: DicomService) -> None:
    with pytest.raises(PeerRefused, match="calling AE title not recognised"):
        call(service, calling="STRANGER")
    with pytest.raises(PeerRefused, match="called AE title not recognised"):
        call(service, called="OTHER")
    call(service)


def test_whoever_calls_from_elsewhere_is_told_nothing(handlers: Handlers) -> None:
    elsewhere = Caller(ae_title="PACS", networks=(ipaddress.ip_network("192.0.2.0/24"),))
    gate = Gate(ae_title="MRGW", callers=[elsewhere])
    with DicomService((LOOPBACK, 0), gate, handlers, LIMITS) as service, pytest.raises(PeerUnreachable):
        call(service)


@pytest.mark.parametrize(
    ("address", "welcome"),
    [("192.0.2.7", True), ("::ffff:192.0.2.7", True), ("198.51.100.7", False), ("fe80::1%eth0", False)],
)
def test_an_address_is_known_however_it_is_written(address: str, welcome: bool) -> None:
    caller = Caller(ae_title="PACS", networks=(ipaddress.ip_network("192.0.2.0/24"),))
    assert caller.calls_from(address) is welcome


def test_every_refusal_is_heard_of(handlers: Handlers) -> None:
    heard: list[tuple[str, Refusal, str]] = []
    gate = Gate(ae_title="MRGW", callers=[HERE], refused=lambda *refusal: heard.append(refusal))
    offers = [Offer(VERIFICATION, UNCOMPRESSED[0])]
    with ExitStack() as open_ones:
        service = open_ones.enter_context(DicomService((LOOPBACK, 0), gate, handlers, LIMITS))
        for calling, called in (("STRANGER", "MRGW"), ("HERE", "OTHER")):
            with pytest.raises(PeerRefused):
                call(service, calling=calling, called=called)
        service = open_ones.enter_context(DicomService((LOOPBACK, 0), gate, handlers, LIMITS))  # where none lingers
        for _ in range(LIMITS.associations_per_address):
            open_ones.enter_context(open_association(pacs(service.port, "MRGW", calling_ae_title="HERE"), offers))
        with pytest.raises(PeerUnreachable):
            call(service, calling="HERE")
        with socket.create_connection((LOOPBACK, service.port), source_address=(OTHER_HOST, 0)) as stranger:
            assert stranger.recv(1) == b""
    assert heard == [
        (LOOPBACK, Refusal.CALLING, "STRANGER to MRGW"),
        (LOOPBACK, Refusal.CALLED, "HERE to OTHER"),
        (LOOPBACK, Refusal.FULL, "HERE to MRGW"),
        (OTHER_HOST, Refusal.ADDRESS, ""),
    ]


def test_a_name_counts_only_at_its_own_address(handlers: Handlers) -> None:
    elsewhere = Caller(ae_title="ELSEWHERE", networks=(ipaddress.ip_network("192.0.2.1"),))
    gate = Gate(ae_title="MRGW", callers=[HERE, elsewhere])
    with DicomService((LOOPBACK, 0), gate, handlers, LIMITS) as service:
        call(service, calling="HERE")
        with pytest.raises(PeerRefused, match="calling AE title"):
            call(service, calling="ELSEWHERE")


def request(*offers: Offer) -> bytes:
    """An association as anybody would ask for it."""
    offers = offers or (Offer(VERIFICATION, UNCOMPRESSED[0]),)
    return negotiation.associate_request(called="MRGW", calling="PACS", offers=offers)


def greeted(connection: socket.socket) -> None:
    connection.sendall(request())
    assert receive_pdu(connection)[0] == PduType.ASSOCIATE_AC


def say_nothing(_connection: socket.socket, _over: Callable[[], bool]) -> None:
    return


def stop_inside_a_head(connection: socket.socket, _over: Callable[[], bool]) -> None:
    connection.sendall(b"\1\0\0")


def drip_the_request(connection: socket.socket, over: Callable[[], bool]) -> None:
    for byte in request():
        if over():
            return
        connection.sendall(bytes([byte]))


def announce_too_much(connection: socket.socket, _over: Callable[[], bool]) -> None:
    connection.sendall(b"\1\0" + (LARGEST_PDU_BYTES + 1).to_bytes(4, "big"))


def announce_four_gibibytes_and_drip(connection: socket.socket, over: Callable[[], bool]) -> None:
    connection.sendall(b"\1\0\xff\xff\xff\xff")
    while not over():
        connection.sendall(b"\0")


def stay_without_a_word(connection: socket.socket, _over: Callable[[], bool]) -> None:
    greeted(connection)


def stop_inside_a_message(connection: socket.socket, _over: Callable[[], bool]) -> None:
    greeted(connection)
    connection.sendall(b"\4\0\0")


def drip_a_message(connection: socket.socket, over: Callable[[], bool]) -> None:
    greeted(connection)
    connection.sendall(b"\4\0\0\0\x40\0")
    while not over():
        connection.sendall(b"\0")


def never_end_a_message(connection: socket.socket, over: Callable[[], bool]) -> None:
    greeted(connection)
    endless = b"\4\0" + (16384).to_bytes(4, "big") + (16380).to_bytes(4, "big") + b"\1\1" + bytes(16378)
    while not over():
        connection.sendall(endless)


def send_empty_pdus(connection: socket.socket, over: Callable[[], bool]) -> None:
    greeted(connection)
    while not over():
        connection.sendall(b"\4\0\0\0\0\0" * 1000)


def speak_http(connection: socket.socket, _over: Callable[[], bool]) -> None:
    connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")


def use_a_context_that_is_none(connection: socket.socket, _over: Callable[[], bool]) -> None:
    greeted(connection)
    command: Command = {"CommandField": Field.C_ECHO, "MessageID": 1, "CommandDataSetType": 0x0101}
    connection.sendall(pdu.data(77, encode_command(command), b"", max_pdu_bytes=16384))


def talk_nonsense_in_a_command(connection: socket.socket, _over: Callable[[], bool]) -> None:
    greeted(connection)
    connection.sendall(pdu.data(1, b"\xff" * 100, b"", max_pdu_bytes=16384))


def half_a_report() -> bytes:
    command, ds = commitment.report_of("1.2.3", {"1.2.4": "1.2.840.10008.5.1.4.1.1.4"}, {})
    asked = {**command, "MessageID": 1, "CommandDataSetType": 1}
    whole = pdu.data(1, encode_command(asked), encode_dataset(ds, UNCOMPRESSED[0]), max_pdu_bytes=16384)
    return whole[: len(whole) * 3 // 4]


def reporting(connection: socket.socket) -> None:
    connection.sendall(request(Offer(STORAGE_COMMITMENT, UNCOMPRESSED[0])))
    assert receive_pdu(connection)[0] == PduType.ASSOCIATE_AC
    connection.sendall(half_a_report())


def stop_inside_a_report(connection: socket.socket, _over: Callable[[], bool]) -> None:
    reporting(connection)


def reset_inside_a_report(connection: socket.socket, _over: Callable[[], bool]) -> None:
    reporting(connection)
    reset(connection)
    raise ConnectionResetError


def abort_inside_a_report(connection: socket.socket, _over: Callable[[], bool]) -> None:
    reporting(connection)
    connection.sendall(pdu.abort())


MANNERS = [
    stop_inside_a_report,
    reset_inside_a_report,
    abort_inside_a_report,
    say_nothing,
    stop_inside_a_head,
    drip_the_request,
    announce_too_much,
    announce_four_gibibytes_and_drip,
    stay_without_a_word,
    stop_inside_a_message,
    drip_a_message,
    never_end_a_message,
    send_empty_pdus,
    speak_http,
    use_a_context_that_is_none,
    talk_nonsense_in_a_command,
]


@pytest.mark.parametrize("manners", MANNERS)
def test_bad_manners_end_in_time_and_cost_nothing(
    manners: Callable[[socket.socket, Callable[[], bool]], None], service: DicomService, reports: list[Report]
) -> None:
    process = psutil.Process()
    before = process.memory_info().rss
    deadline = time.monotonic() + PATIENCE_S
    with socket.create_connection((LOOPBACK, service.port)) as attacker:
        attacker.settimeout(PATIENCE_S)
        try:
            manners(attacker, lambda: time.monotonic() > deadline)
            while attacker.recv(1 << 16):
                pass
        except ConnectionError:
            pass  # cut off while it was still talking
    assert time.monotonic() < deadline
    call(service)
    assert reports == []
    assert process.memory_info().rss - before < 16 << 20


def test_a_flood_from_one_address_does_not_keep_others_waiting(service: DicomService) -> None:
    with ExitStack() as flood:
        for _ in range(100):
            flood.enter_context(socket.create_connection((LOOPBACK, service.port), source_address=(OTHER_HOST, 0)))
        call(service)
        ours = [thread for thread in threading.enumerate() if thread.name == f"dicom-{OTHER_HOST}"]
        assert len(ours) <= 2 * LIMITS.associations_per_address


def test_more_associations_than_allowed_are_told_to_come_again(service: DicomService) -> None:
    offers = [Offer(VERIFICATION, UNCOMPRESSED[0])]
    with ExitStack() as held:
        for _ in range(LIMITS.associations_per_address):
            held.enter_context(open_association(pacs(service.port, "MRGW", calling_ae_title="PACS"), offers))
        with pytest.raises(PeerUnreachable, match="local limit exceeded"):
            call(service)
    call(service)


def test_threads_and_files_are_given_back(service: DicomService) -> None:
    process = psutil.Process()
    call(service)
    files = process.num_fds()
    for _ in range(50):
        call(service)
    _wait_until(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("dicom-127")])
    assert process.num_fds() <= files


def _wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline


def test_what_is_not_offered_is_not_accepted_and_an_unknown_operation_is_refused(service: DicomService) -> None:
    wanted = [Offer(VERIFICATION, UNCOMPRESSED[1]), Offer("1.2.840.10008.5.1.4.1.1.4", UNCOMPRESSED[0])]
    with open_association(pacs(service.port, "MRGW", calling_ae_title="PACS"), wanted) as association:
        (offer,) = association.contexts
        assert offer == wanted[0]
        answer = association.ask_once(offer, {"CommandField": Field.C_FIND, "AffectedSOPClassUID": VERIFICATION})
        assert answer.status == 0x0211


CLASSES = {"1.2.4": "1.2.840.10008.5.1.4.1.1.4", "1.2.5": "1.2.840.10008.5.1.4.1.1.4"}


@pytest.mark.parametrize(("transaction", "status"), [("1.2.3", 0x0000), ("9.9.9", 0x0110)])
def test_a_report_is_answered_when_it_is_kept_and_one_that_nobody_waits_for_is_refused(
    transaction: str, status: int, service: DicomService, reports: list[Report]
) -> None:
    """As a PACS calls: in the role of the provider, which has to be negotiated."""
    ae = AE(ae_title="PACS")
    ae.add_requested_context(StorageCommitmentPushModel)
    provider = build_role(StorageCommitmentPushModel, scp_role=True)
    association = ae.associate(LOOPBACK, service.port, ae_title="MRGW", ext_neg=[provider])
    assert association.accepted_contexts[0].as_scp
    _, report = commitment.report_of(transaction, CLASSES, {"1.2.5": 0x0112})
    answer, _ = association.send_n_event_report(report, 2, StorageCommitmentPushModel, "1.2.840.10008.1.20.1.1")
    association.release()
    assert answer.Status == status
    assert reports == [Report(transaction_uid=transaction, committed=frozenset({"1.2.4"}), failed={"1.2.5": 0x0112})]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_report_that_cannot_be_read_is_refused(service: DicomService, reports: list[Report]) -> None:
    offers = [Offer(STORAGE_COMMITMENT, UNCOMPRESSED[0])]
    command: Command = {
        "CommandField": Field.N_EVENT_REPORT,
        "AffectedSOPClassUID": STORAGE_COMMITMENT,
        "AffectedSOPInstanceUID": commitment.WELL_KNOWN_INSTANCE,
        "EventTypeID": 1,
    }
    ds = encode_dataset(commitment.request_of([], "1.2.3"), UNCOMPRESSED[0])
    with open_association(pacs(service.port, "MRGW", calling_ae_title="PACS"), offers) as association:
        for broken in (ds[:-3], b"\xff" * 40, ds[-20:]):
            assert association.ask_once(offers[0], command, broken).status == 0x0110
        assert association.ask_once(offers[0], {**command, "EventTypeID": 9}, ds).status == 0x0113
    assert reports == []


def test_pynetdicom_verifies_us_too(service: DicomService) -> None:
    ae = AE(ae_title="PACS")
    ae.add_requested_context(Verification)
    association = ae.associate(LOOPBACK, service.port, ae_title="MRGW")
    assert association.send_c_echo().Status == 0
    association.release()


@pytest.mark.filterwarnings("ignore::UserWarning")
@given(st.data())
def test_a_report_of_any_bytes_is_read_or_refused(data: st.DataObject) -> None:
    for syntax in UNCOMPRESSED:
        good = bytearray(encode_dataset(commitment.report_of("1.2.3", CLASSES, {"1.2.5": 0x0112})[1], syntax))
        for _ in range(data.draw(st.integers(1, 4))):
            good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
        try:
            commitment.read_report(bytes(good[: data.draw(st.integers(0, len(good)))]), syntax)
        except ValueError:
            continue
