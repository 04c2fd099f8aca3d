"""Ask a PACS to keep what it was sent, and read what it reports (Storage Commitment Push Model, PS3.4 Annex J)."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Protocol

from pydicom.dataset import Dataset

from gateway.dicom.association import Association, open_association
from gateway.dicom.command import Command, Field
from gateway.dicom.messages import Message, answer_to
from gateway.dicom.negotiation import Offer
from gateway.dicom.session import Answer, Handler, Heard
from gateway.dicom.syntaxes import UNCOMPRESSED, decode_dataset, encode_dataset
from gateway.model.commitment import Report
from gateway.model.destinations import PacsDestination
from gateway.model.errors import PeerRefused, PeerUnreachable, StorageFault
from gateway.model.series import Instance

STORAGE_COMMITMENT = "1.2.840.10008.1.20.1"
WELL_KNOWN_INSTANCE = "1.2.840.10008.1.20.1.1"
REQUEST = 1
"""Action Type ID (PS3.4 table J.3.2-1)."""
ALL_COMMITTED, SOME_FAILED = 1, 2
"""Event Type IDs (PS3.4 table J.3.3-1)."""
SUCCESS, PROCESSING_FAILURE, NO_SUCH_EVENT = 0x0000, 0x0110, 0x0113
LOOK_EVERY_S = 0.1

UNREADABLE = (AttributeError, TypeError, KeyError, EOFError, NotImplementedError, OSError, struct.error)
"""What pydicom raises, beside ValueError, where bytes are no value; it reads them only when asked."""

OnReport = Callable[[Report], bool]
"""Makes a report durable, and says whether it belongs to anything that was asked."""


class Transaction(Protocol):
    """A request, and what is remembered of it."""

    @property
    def uid(self) -> str:
        """Names it to the PACS."""

    def taken(self) -> None:
        """Note that the PACS has taken the request."""

    def report(self, report: Report) -> bool:
        """Make a report durable, and say whether it belongs to anything that was asked."""

    def answered(self) -> bool:
        """Whether the report has come, by whatever way: then nobody has to wait for it here."""


def request_commitment(destination: PacsDestination, instances: Iterable[Instance], transaction: Transaction) -> None:
    """Ask for the commitment of instances, and wait some time for the report on the same association.

    Raises
    ------
    PeerUnreachable
        Nobody answers, or not to the end: whether it was asked is unknown.
    PeerRefused
        The PACS does not offer this to us, or says no.
    """
    offers = [Offer(STORAGE_COMMITMENT, syntax) for syntax in UNCOMPRESSED]
    with open_association(destination, offers) as association:
        offer = next(iter(association.contexts))
        _ask(association, offer, encode_dataset(request_of(instances, transaction.uid), offer.syntax), transaction)
        with suppress(PeerUnreachable):  # it has taken the request; it need not stay
            _wait(association, offer.syntax, transaction, time.monotonic() + destination.report_wait_s)


def _wait(association: Association, syntax: str, transaction: Transaction, patient_until: float) -> None:
    """Listen until the report has come, over this association or another, or patience ends."""
    while not transaction.answered() and time.monotonic() < patient_until:
        if association.wait(LOOK_EVERY_S):
            _hear(association, association.receive(), syntax, transaction.report)
    association.rest()


def _ask(association: Association, offer: Offer, dataset: bytes, transaction: Transaction) -> None:
    """Send the request; some peers report before they have answered it."""
    command: Command = {
        "RequestedSOPClassUID": STORAGE_COMMITMENT,
        "RequestedSOPInstanceUID": WELL_KNOWN_INSTANCE,
        "CommandField": Field.N_ACTION,
        "ActionTypeID": REQUEST,
        "MessageID": 1,
    }
    association.send(association.contexts[offer], command, dataset)
    while (message := association.receive()).is_request:
        _hear(association, message, offer.syntax, transaction.report)
    if message.status != SUCCESS:
        raise PeerRefused(f"{association.peer} answered 0x{message.status:04X} to the request for storage commitment")
    transaction.taken()


def _hear(association: Association, message: Message, syntax: str, on_report: OnReport) -> None:
    """Take a report, and answer it when it is durable."""
    status = _judge(message, syntax, on_report)
    association.send(message.context, answer_to(message, status))


def _judge(message: Message, syntax: str, on_report: OnReport) -> int:
    """Take a report; the status tells the peer what became of it."""
    if message.field != Field.N_EVENT_REPORT:
        return PROCESSING_FAILURE
    if message.command.get("EventTypeID") not in {ALL_COMMITTED, SOME_FAILED}:
        return NO_SUCH_EVENT
    try:
        known = on_report(read_report(message.dataset, syntax))
    except (ValueError, StorageFault):
        return PROCESSING_FAILURE
    return SUCCESS if known else PROCESSING_FAILURE


def takes_reports(on_report: Callable[[Report, str], bool]) -> Handler:
    """Make the handler of the port to which a PACS reports over an association of its own; it is told who reports."""

    def handle(heard: Heard) -> Answer:
        return Answer(_judge(heard.message, heard.syntax, lambda report: on_report(report, heard.calling)))

    return handle


def request_of(instances: Iterable[Instance], transaction_uid: str) -> Dataset:
    """Make the data set of a request."""
    ds = Dataset()
    ds.TransactionUID = transaction_uid
    ds.ReferencedSOPSequence = [_reference(one.sop_class_uid, one.sop_instance_uid) for one in instances]
    return ds


def read_request(content: bytes, syntax: str) -> tuple[str, Mapping[str, str]]:
    """Read a request: its transaction, and the classes of the instances by their UIDs.

    Raises
    ------
    ValueError
        It is none.
    """
    ds = decode_dataset(content, syntax)
    try:
        items = {
            str(item.ReferencedSOPInstanceUID): str(item.ReferencedSOPClassUID) for item in ds.ReferencedSOPSequence
        }
        return str(ds.TransactionUID), items
    except UNREADABLE as fault:
        raise ValueError(f"not a request for storage commitment: {fault}") from fault


def report_of(transaction_uid: str, classes: Mapping[str, str], failed: Mapping[str, int]) -> tuple[Command, Dataset]:
    """Make a report on instances, of which some may have failed for a reason."""
    ds = Dataset()
    ds.TransactionUID = transaction_uid
    kept = [uid for uid in classes if uid not in failed]
    if kept:
        ds.ReferencedSOPSequence = [_reference(classes[uid], uid) for uid in kept]
    if failed:
        ds.FailedSOPSequence = [_reference(classes[uid], uid) for uid in failed]
        for item, reason in zip(ds.FailedSOPSequence, failed.values(), strict=True):
            item.FailureReason = reason
    command: Command = {
        "AffectedSOPClassUID": STORAGE_COMMITMENT,
        "AffectedSOPInstanceUID": WELL_KNOWN_INSTANCE,
        "CommandField": Field.N_EVENT_REPORT,
        "EventTypeID": SOME_FAILED if failed else ALL_COMMITTED,
    }
    return command, ds


def read_report(content: bytes, syntax: str) -> Report:
    """Read a report.

    Raises
    ------
    ValueError
        It is none.
    """
    ds = decode_dataset(content, syntax)
    try:
        committed = frozenset(str(item.ReferencedSOPInstanceUID) for item in ds.get("ReferencedSOPSequence") or ())
        failed = {
            str(item.ReferencedSOPInstanceUID): int(item.get("FailureReason") or PROCESSING_FAILURE)
            for item in ds.get("FailedSOPSequence") or ()
        }
        transaction = str(ds.TransactionUID)
    except UNREADABLE as fault:
        raise ValueError(f"not a report of storage commitment: {fault}") from fault
    return Report(transaction_uid=transaction, committed=committed - failed.keys(), failed=MappingProxyType(failed))


def _reference(sop_class_uid: str, sop_instance_uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class_uid
    item.ReferencedSOPInstanceUID = sop_instance_uid
    return item
