"""Joiner 9: the audit trail goes to a record repository as messages of PS3.15, again and again until they are there.

Nothing waits for it. The trail in SQL stays the truth, and keeps no patients: who was sent is read from the files.
"""

from __future__ import annotations

import ipaddress
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from gateway.atna import events
from gateway.atna.events import Alarm, Patient, Sent
from gateway.atna.message import AuditEvent, Outcome, Participant, Source, xml_of
from gateway.dicom.lookup import WORKLIST_FIND, blank_query
from gateway.dicom.patient import patient_of
from gateway.dicom.query import STUDY_ROOT_FIND
from gateway.jobs.audit import Deed, Sealed
from gateway.jobs.forwarding import Forwarding
from gateway.jobs.transfers import Transfer
from gateway.model.destinations import DicomPeer, FolderDestination, WebPeer
from gateway.model.errors import GatewayError, NotTold
from gateway.model.route import Routes
from gateway.model.sources import WorklistSource

logger = logging.getLogger(__name__)

FIRST_WAIT_S, LONGEST_WAIT_S = 5.0, 600.0
LONGEST_TEXT = 1_000
GONE = Patient(id="unknown", name="unknown: the files of the series are deleted")

Send: TypeAlias = Callable[[Sequence[tuple[datetime, bytes]]], None]


@dataclass(frozen=True, kw_only=True)
class Auditor:
    """What forwards the trail."""

    forwarding: Forwarding
    transfer: Callable[[int], Transfer | None]
    routes: Callable[[int], Routes]
    """Gets the number of their version."""
    in_force: Callable[[], int]
    outbox: Path
    page: str
    """Address of the page, with a slash at the end."""
    us: Participant
    source: Source
    send: Send

    def open(self) -> None:
        """Begin to forward, or go on where it ended."""
        self.forwarding.open()

    def tell(self) -> None:
        """Forward what is due; what the repository does not take is tried again after a wait that grows."""
        while due := self.forwarding.due():
            messages = [(line.deed.at, xml_of(event, self.source)) for line in due for event in self.events_of(line)]
            try:
                if messages:
                    self.send(messages)
            except NotTold as fault:
                state = self.forwarding.state()
                wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(state.attempt if state else 0, 16))
                self.forwarding.failed(str(fault), wait=timedelta(seconds=wait_s))
                logger.warning("audit messages wait", extra={"reason": str(fault), "lines": len(due)})
                return
            self.forwarding.told(due[-1].number)
            logger.info("audit messages sent", extra={"messages": len(messages), "until": due[-1].number})

    def events_of(self, line: Sealed) -> Iterator[AuditEvent]:
        """Say a line as PS3.15 does; not every line is something that it knows."""
        deed = line.deed
        for pattern, say in RULES.items():
            if found := re.fullmatch(pattern, deed.what):
                yield say(self, deed, found)
                return

    def _application(self, deed: Deed, found: re.Match[str]) -> AuditEvent:
        what = events.START if found[1] == "started" else events.STOP
        return events.application_activity(deed.at, self.us, participant_of(deed.who), what=what)

    def _read(self, deed: Deed, _found: re.Match[str]) -> AuditEvent:
        return events.audit_log_used(deed.at, participant_of(deed.who), uri=f"{self.page}audit")

    def _person(self, deed: Deed, _found: re.Match[str]) -> AuditEvent:
        outcome = Outcome.MINOR_FAILURE if deed.what == "sign-in refused" else Outcome.SUCCESS
        what = events.LOGOUT if deed.what == "signed out" else events.LOGIN
        return events.user_authentication(deed.at, participant_of(deed.who), self.us, what=what, outcome=outcome)

    def _refused(self, deed: Deed, _found: re.Match[str]) -> AuditEvent:
        alarm = Alarm(
            what=events.NODE_AUTHENTICATION,
            text=deed.text[:LONGEST_TEXT],
            outcome=Outcome.MINOR_FAILURE,
            node=deed.who,
        )
        return events.security_alert(deed.at, self.us, Participant(user=deed.who, address=deed.who), alarm)

    def _changed(self, deed: Deed, _found: re.Match[str]) -> AuditEvent:
        what = events.SOFTWARE_CONFIGURATION if deed.what == "routes applied" else events.USER_SECURITY_CHANGED
        alarm = Alarm(what=what, text=f"{deed.what}: {deed.text}"[:LONGEST_TEXT])
        return events.security_alert(deed.at, self.us, participant_of(deed.who), alarm)

    def _sent(self, deed: Deed, found: re.Match[str]) -> AuditEvent:
        told = self.transfer(int(found[1]))
        if told is None:  # the row of a delivery is never deleted by us
            lost = Sent(study_uid="unknown", instances={}, patient=GONE, whole=found[2] == "stored")
            return events.instances_transferred(deed.at, self.us, Participant(user="unknown"), lost)
        sender, receiver = self._both(told)
        sent = Sent(
            study_uid=told.study_instance_uid,
            instances={told.sop_class_uid: told.n_instances},
            patient=self._patient(told),
            whole=found[2] == "stored",
        )
        return events.instances_transferred(deed.at, sender, receiver, sent)

    def _patient(self, told: Transfer) -> Patient:
        try:
            patient = patient_of(self.outbox / told.path)
        except OSError:
            return GONE
        return Patient(id=patient.id, name=patient.name, anonymous=patient.removed)

    def _both(self, told: Transfer) -> tuple[Participant, Participant]:
        """Say who sent, and who received, as the routes that counted then have it."""
        try:
            where = self.routes(told.routes_version).destinations.get(told.destination)
        except GatewayError:
            where = None
        return self._parties(told.destination, where)

    def _parties(self, name: str, peer: object) -> tuple[Participant, Participant]:
        """Name both sides by what they call themselves."""
        role = events.DESTINATION
        sender = Participant(user=self.us.user, role=events.SOURCE, other_id=self.us.other_id, address=self.us.address)
        match peer:
            case DicomPeer():
                other, titles = f"AETITLES={peer.ae_title}", f"AETITLES={peer.calling_ae_title}"
                sender = Participant(user=sender.user, role=events.SOURCE, other_id=titles, address=sender.address)
                return sender, Participant(user=name, role=role, other_id=other, address=peer.host)
            case WebPeer():
                return sender, Participant(user=name, role=role, address=peer.url)
            case FolderDestination():
                return sender, Participant(user=name, role=role, address=peer.path.absolute().as_uri())
            case _:
                return sender, Participant(user=name, role=role)

    def _query(self, deed: Deed, _found: re.Match[str]) -> AuditEvent:
        """Say what was asked: which keys were matched, and not by which values, which the trail does not keep."""
        name, _, keys = deed.text.partition(": ")
        try:
            peer = self.routes(self.in_force()).asked.get(name)
        except GatewayError:
            peer = None
        by_worklist = isinstance(peer, WorklistSource)
        sender, receiver = self._parties(name, peer)
        return events.query(
            deed.at,
            (sender, receiver, participant_of(deed.who)),
            sop_class=WORKLIST_FIND if by_worklist else STUDY_ROOT_FIND,
            asked=blank_query(keys.split(", "), worklist=by_worklist),
        )


RULES: Mapping[str, Callable[[Auditor, Deed, re.Match[str]], AuditEvent]] = MappingProxyType(
    {
        r"gateway (started|stopped)": Auditor._application,  # noqa: SLF001 - its own table
        r"audit trail read": Auditor._read,  # noqa: SLF001
        r"signed in|sign-in refused|signed out": Auditor._person,  # noqa: SLF001
        r"caller refused|unknown storage commitment refused": Auditor._refused,  # noqa: SLF001
        r"deliveries ([0-9]+) (stored|not stored)": Auditor._sent,  # noqa: SLF001
        r"query": Auditor._query,  # noqa: SLF001
        r"(person|password|token|account|invitation|sessions) .*|routes applied": Auditor._changed,  # noqa: SLF001
    }
)
"""By what a line says that was done."""


def participant_of(who: str) -> Participant:
    """Read name and origin of whoever did something: ``anna@192.0.2.7``, ``worker@host:17:ab``."""
    name, _, origin = who.rpartition("@")
    try:
        ipaddress.ip_address(origin.partition("%")[0])
    except ValueError:
        origin = origin.partition(":")[0]
    return Participant(user=name or who, requestor=True, address=origin if name else "")
