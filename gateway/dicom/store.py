"""Send a series to a PACS by C-STORE, as the bytes that are in the outbox (PS3.4 Annex B)."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from gateway.dicom.association import VERIFICATION, Association, describe, open_association
from gateway.dicom.command import Command, Field
from gateway.dicom.messages import Message
from gateway.dicom.negotiation import Offer
from gateway.dicom.outbox import read_checked, syntax_of
from gateway.dicom.query import has_instance
from gateway.dicom.status import Outcome, meaning_of
from gateway.dicom.syntaxes import UNCOMPRESSED, encode_as, offered
from gateway.model.destinations import DicomPeer, PacsDestination
from gateway.model.errors import PeerRefused, PeerUnreachable, SendError, Unconfirmed
from gateway.model.series import Instance

logger = logging.getLogger(__name__)

OnStored = Callable[[Instance, int], None]

_MEDIUM_PRIORITY = 0


def store(
    instances: Sequence[tuple[Instance, Path]],
    destination: PacsDestination,
    on_stored: OnStored,
) -> None:
    """Send instances over as many associations as the destination allows, and say of each at once that it is there.

    Parameters
    ----------
    on_stored
        Called with the instance and the peer's status, which may be a warning; never by two threads at a time.

    Raises
    ------
    PeerUnreachable
        Nobody answers, the peer is out of resources, or the outcome is unknown: send the same bytes again later.
    PeerRefused
        The peer does not want this, and will not.
    Unconfirmed
        The peer says that it has an instance already, and does not show it.
    DamagedFile
        A file is not what was written.
    """
    if not instances:
        return
    sending = _Sending(instances, destination, on_stored)
    n_more = min(destination.max_associations, len(instances)) - 1
    with sending.associated() as first, ThreadPoolExecutor(max(n_more, 1), "association") as more:
        others = [more.submit(sending.help) for _ in range(n_more)]
        sending.run(first)
    for other in others:
        other.result()
    sending.settle_duplicates()


class _Item(NamedTuple):
    """An instance, ready to be sent over one association."""

    instance: Instance
    path: Path
    offer: Offer
    dataset: bytes


class _Sending:
    """What the associations of one delivery share: what is left to send, and who is told."""

    def __init__(
        self, instances: Sequence[tuple[Instance, Path]], destination: PacsDestination, on_stored: OnStored
    ) -> None:
        self._left = deque(instances)
        self._n_instances = len(instances)
        self._n_stored = 0
        self._destination = destination
        self._on_stored = on_stored
        self._duplicates: list[tuple[Instance, Path, int]] = []
        self._telling = threading.Lock()
        self._failed = False
        syntaxes = offered(destination.compression)
        self._classes = sorted({instance.sop_class_uid for instance, _ in instances})
        self._offers = [Offer(sop_class, syntax) for sop_class in self._classes for syntax in syntaxes]

    @contextmanager
    def associated(self) -> Iterator[Association]:
        """Open an association that takes every class of the series: half a series is none."""
        with open_association(self._destination, self._offers) as association:
            accepted = {offer.sop_class for offer in association.contexts}
            missing = [sop_class for sop_class in self._classes if sop_class not in accepted]
            if missing:
                raise PeerRefused(f"{association.peer} does not accept the SOP classes {', '.join(missing)}")
            yield association

    def help(self) -> None:
        """Send over one more association, where the peer lets us have one."""
        with ExitStack() as stack:
            try:
                association = stack.enter_context(self.associated())
            except SendError as fault:
                logger.info("fewer associations than allowed", extra={"reason": str(fault)})
                return
            self.run(association)

    def run(self, association: Association) -> None:
        """Send what is left, one after the other; where one fails, all associations stop."""
        try:
            item = self._next(association)
            while item is not None and not self._failed:
                item = self._send(association, item)
        except BaseException:  # whatever it is, an interrupt too: nobody is to go on sending behind it
            self._failed = True
            raise

    def _next(self, association: Association) -> _Item | None:
        """Read the next file that nobody else has taken."""
        try:
            instance, path = self._left.popleft()
        except IndexError:
            return None
        content = read_checked(instance, path)
        offer = self._offer(association, instance, syntax_of(content))
        return _Item(instance, path, offer, encode_as(content, offer.syntax))

    def _send(self, association: Association, item: _Item) -> _Item | None:
        """Send one instance, and read the next one while the peer stores it; then see what it says."""
        instance = item.instance
        command: Command = {
            "AffectedSOPClassUID": instance.sop_class_uid,
            "CommandField": Field.C_STORE,
            "Priority": _MEDIUM_PRIORITY,
            "AffectedSOPInstanceUID": instance.sop_instance_uid,
        }
        with self._telling_progress(instance):
            answers = association.ask(item.offer, command, item.dataset)
        try:
            following = self._next(association)
        finally:  # a file that cannot be read takes no answer away
            with self._telling_progress(instance):
                answer = next(answers)
            self._take(item, answer, association.peer)
        return following

    @contextmanager
    def _telling_progress(self, instance: Instance) -> Iterator[None]:
        """Say how far we were when a peer falls silent, and of what we do not know whether it has it."""
        try:
            yield
        except PeerUnreachable as fault:
            uid = instance.sop_instance_uid
            raise PeerUnreachable(f"{fault} ({self._progress}; {uid} may be stored or not)") from fault

    def _take(self, item: _Item, answer: Message, peer: str) -> None:
        """Tell that an instance is stored; or put it aside, where the peer only says that it knows the name."""
        self._judge(answer, item.instance, peer)
        with self._telling:
            if meaning_of(answer.status).outcome is Outcome.VERIFY:
                self._duplicates.append((item.instance, item.path, answer.status))
            else:
                self._n_stored += 1
                self._on_stored(item.instance, answer.status)

    def settle_duplicates(self) -> None:
        """Ask the peer for what it says it has; after the sending, for some peers grant one association at a time."""
        for instance, path, status in self._duplicates:
            if not has_instance(self._destination, path):
                where = f"{describe(self._destination)} answered 0x{status:04X} ({meaning_of(status).meaning})"
                raise Unconfirmed(f"{where} to instance {instance.sop_instance_uid}, but does not show it")
            self._on_stored(instance, status)

    def _offer(self, association: Association, instance: Instance, syntax: str) -> Offer:
        """Choose among what the peer takes: the file as it lies there, else uncompressed."""
        for choice in (syntax, *UNCOMPRESSED):
            if (offer := Offer(instance.sop_class_uid, choice)) in association.contexts:
                return offer
        raise PeerRefused(f"{association.peer} takes {instance.sop_class_uid} neither as {syntax} nor uncompressed")

    def _judge(self, answer: Message, instance: Instance, peer: str) -> None:
        """Raise where the peer does not have the instance."""
        row = meaning_of(answer.status)
        if row.outcome in {Outcome.RETRY, Outcome.PERMANENT}:
            kind = PeerUnreachable if row.outcome is Outcome.RETRY else PeerRefused
            what = f"0x{answer.status:04X} ({row.meaning}) to instance {instance.sop_instance_uid}"
            raise kind(f"{peer}, {self._progress}: answered {what}")

    @property
    def _progress(self) -> str:
        return f"{self._n_stored} of {self._n_instances} stored"


def echo(destination: DicomPeer) -> None:
    """Ask whether the peer is there and knows us (C-ECHO).

    Raises
    ------
    PeerUnreachable
        Nobody answers.
    PeerRefused
        The peer rejects us, or answers with a failure.
    """
    offers = [Offer(VERIFICATION, syntax) for syntax in UNCOMPRESSED]
    with open_association(destination, offers) as association:
        command: Command = {"AffectedSOPClassUID": VERIFICATION, "CommandField": Field.C_ECHO}
        status = association.ask_once(next(iter(association.contexts)), command).status
        if status != 0:
            raise PeerRefused(f"{association.peer} answered 0x{status:04X} ({meaning_of(status).meaning})")
