"""An audit message as a value and as XML (PS3.15 A.5.1); what has to be in which is `events`' business. Pure."""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple
from xml.etree import ElementTree as ET

UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML cannot hold (XML 1.0, 2.2)."""


class Code(NamedTuple):
    """A coded value."""

    value: str
    meaning: str
    system: str = "DCM"


class Action(StrEnum):
    """What was done (PS3.15 table A.5.2-1)."""

    CREATE = "C"
    READ = "R"
    EXECUTE = "E"


class Outcome(StrEnum):
    """How it ended (PS3.15 A.5.1)."""

    SUCCESS = "0"
    MINOR_FAILURE = "4"
    SERIOUS_FAILURE = "8"


class Kind(NamedTuple):
    """What a subject is, and what it is to the event: ParticipantObjectTypeCode, and its role (PS3.15 A.5.1)."""

    what: str
    role: str = ""


PATIENT, REPORT, SECURITY_RESOURCE, NODE = Kind("1", "1"), Kind("2", "3"), Kind("2", "13"), Kind("2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    """A person or a process that took part."""

    user: str
    requestor: bool = False
    role: Code | None = None
    other_id: str = ""
    """Another name: of a process its AE titles, as ``AETITLES=MRGW``."""
    address: str = ""
    """Name or address of its machine, or a URI."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Something that the event is about."""

    id: str
    id_type: Code
    kind: Kind
    name: str = ""
    query: bytes | None = None
    """Stands in place of a name."""
    details: Mapping[str, str] = field(default_factory=dict)
    instances: Mapping[str, int] = field(default_factory=dict)
    """How many, by SOP class."""
    anonymous: bool | None = None
    """Whether the patient was taken out; None where it is not said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """What is told at once."""

    id: Code
    action: Action
    at: datetime
    participants: tuple[Participant, ...]
    types: tuple[Code, ...] = ()
    outcome: Outcome = Outcome.SUCCESS
    said: str = ""
    subjects: tuple[Subject, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Who tells."""

    id: str
    site: str = ""


DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>'
"""On the line of the message: what has an end of line in it, not every syslog server keeps as it is."""

APPLICATION_SERVER = "4"
"""What we are (PS3.15 A.5.1.2.1)."""


def xml_of(event: AuditEvent, source: Source) -> bytes:
    """Write a message; what XML cannot hold is replaced."""
    root = ET.Element("AuditMessage")
    about = _below(
        root,
        "EventIdentification",
        EventActionCode=event.action,
        EventDateTime=event.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        EventOutcomeIndicator=event.outcome,
    )
    _coded(about, "EventID", event.id)
    for each in event.types:
        _coded(about, "EventTypeCode", each)
    if event.said:
        ET.SubElement(about, "EventOutcomeDescription").text = _clean(event.said)
    for participant in event.participants:
        _put_participant(root, participant)
    us = _below(root, "AuditSourceIdentification", AuditEnterpriseSiteID=source.site, AuditSourceID=source.id)
    ET.SubElement(us, "AuditSourceTypeCode", {"csd-code": APPLICATION_SERVER})
    for subject in event.subjects:
        _put_subject(root, subject)
    written: bytes = ET.tostring(root, encoding="utf-8")
    return DECLARATION + written


def _put_participant(root: ET.Element, participant: Participant) -> None:
    element = _below(
        root,
        "ActiveParticipant",
        UserID=participant.user or "unknown",
        AlternativeUserID=participant.other_id,
        UserIsRequestor=str(participant.requestor).lower(),
        NetworkAccessPointID=participant.address,
        NetworkAccessPointTypeCode=_kind_of_address(participant.address),
    )
    if participant.role is not None:
        _coded(element, "RoleIDCode", participant.role)


def _kind_of_address(address: str) -> str:
    """Say whether it is a URI, an address, or a name (PS3.15 A.5.2.4)."""
    if not address:
        return ""
    if "://" in address:
        return "5"
    try:
        ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "1"
    return "2"


def _put_subject(root: ET.Element, subject: Subject) -> None:
    element = _below(
        root,
        "ParticipantObjectIdentification",
        ParticipantObjectID=subject.id or "unknown",
        ParticipantObjectTypeCode=subject.kind.what,
        ParticipantObjectTypeCodeRole=subject.kind.role,
    )
    _coded(element, "ParticipantObjectIDTypeCode", subject.id_type)
    if subject.query is None:
        ET.SubElement(element, "ParticipantObjectName").text = _clean(subject.name or subject.id)
    else:
        ET.SubElement(element, "ParticipantObjectQuery").text = _base64(subject.query)
    for name, text in subject.details.items():
        _below(element, "ParticipantObjectDetail", type=name, value=_base64(text.encode()))
    if subject.instances or subject.anonymous is not None:
        told = ET.SubElement(element, "ParticipantObjectDescription")
        for sop_class, n in subject.instances.items():
            _below(told, "SOPClass", UID=sop_class, NumberOfInstances=str(n))
        if subject.anonymous is not None:
            ET.SubElement(told, "Anonymized").text = str(subject.anonymous).lower()


def _coded(parent: ET.Element, name: str, code: Code) -> None:
    attributes = {"csd-code": code.value, "codeSystemName": code.system}
    ET.SubElement(parent, name, {**attributes, "displayName": code.meaning, "originalText": code.meaning})


def _below(parent: ET.Element, name: str, **attributes: str) -> ET.Element:
    """Add an element with those attributes that say something."""
    return ET.SubElement(parent, name, {key: _clean(text) for key, text in attributes.items() if text})


def _clean(text: str) -> str:
    return UNWRITABLE.sub("\ufffd", text)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
