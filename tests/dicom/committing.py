"""A PACS that keeps what it is told to keep, commits as its script says, and answers queries: on our own layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from pydicom.dataset import Dataset
from pynetdicom.events import Event

from gateway.dicom import commitment
from gateway.dicom.association import VERIFICATION, open_association
from gateway.dicom.command import Command, Field
from gateway.dicom.commitment import STORAGE_COMMITMENT
from gateway.dicom.negotiation import Offer
from gateway.dicom.service import DicomService
from gateway.dicom.session import Answer, Gate, Handlers, Heard, answer_echo
from gateway.dicom.syntaxes import UNCOMPRESSED, encode_dataset
from tests.dicom.outbox import pacs
from tests.dicom.scripted import Find
from tests.peers import LOOPBACK

MR = "1.2.840.10008.5.1.4.1.1.4"
LOST = 0x0112


class Archive:
    """What it has, what it was asked, and how it answers the request for commitment."""

    def __init__(self) -> None:
        self.arrived: Counter[str] = Counter()
        self.lost: set[str] = set()
        """What it has answered with success, and does not keep."""
        self.asked: dict[str, Mapping[str, str]] = {}
        """Instances by transaction."""
        self.on_request: Callable[[str], Answer | None] = lambda _transaction: None
        """Answers instead of a report at once; None for that."""

    def store(self, heard: Heard) -> Answer:
        uid = str(heard.message.command["AffectedSOPInstanceUID"])
        self.arrived[uid] += 1
        return Answer(0)

    def commit(self, heard: Heard) -> Answer:
        transaction, classes = commitment.read_request(heard.message.dataset, heard.syntax)
        self.asked[transaction] = classes
        answer = self.on_request(transaction)
        return answer if answer is not None else Answer(0, self.report(transaction, heard.syntax))

    def report(self, transaction: str, syntax: str = UNCOMPRESSED[0]) -> tuple[Command, bytes]:
        """What it says of a transaction, now."""
        classes = self.asked[transaction]
        failed = dict.fromkeys([uid for uid in classes if uid in self.lost], LOST)
        command, ds = commitment.report_of(transaction, classes, failed)
        return command, encode_dataset(ds, syntax)

    def call_back(self, port: int, transaction: str) -> int:
        """Report over an association of its own; the status of the answer."""
        offer = Offer(STORAGE_COMMITMENT, UNCOMPRESSED[0])
        command, report = self.report(transaction)
        with open_association(pacs(port, "MRGW", calling_ae_title="PACS"), [offer]) as association:
            return association.ask_once(offer, command, report).status


@contextmanager
def committing(archive: Archive, *, commits: bool = True) -> Iterator[int]:
    """Listen as the archive; without ``commits``, storage commitment is not offered."""
    handlers: Handlers = {(VERIFICATION, Field.C_ECHO): answer_echo, (MR, Field.C_STORE): archive.store}
    if commits:
        handlers = {**handlers, (STORAGE_COMMITMENT, Field.N_ACTION): archive.commit}
    with DicomService((LOOPBACK, 0), Gate(ae_title="PACS", callers=None), handlers) as service:
        yield service.port


def shows(archive: Archive) -> Find:
    """Answers queries of pynetdicom with what the archive keeps."""

    def answer(event: Event) -> Iterator[tuple[int, Dataset | None]]:
        asked = event.identifier
        for uid in archive.arrived:
            if uid not in archive.lost:
                found = Dataset()
                found.QueryRetrieveLevel = asked.QueryRetrieveLevel
                found.SOPInstanceUID = uid
                yield 0xFF00, found
        yield 0x0000, None

    return answer
