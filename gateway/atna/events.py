"""What a message says of each kind of event (PS3.15 A.5.3), one function for each table. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.atna.message import (
    NODE,
    PATIENT,
    REPORT,
    SECURITY_RESOURCE,
    Action,
    AuditEvent,
    Code,
    Outcome,
    Participant,
    Subject,
)

APPLICATION, SOURCE, DESTINATION = (
    Code("110150", "Application"),
    Code("110153", "Source Role ID"),
    Code("110152", "Destination Role ID"),
)
START, STOP = Code("110120", "Application Start"), Code("110121", "Application Stop")
LOGIN, LOGOUT = Code("110122", "Login"), Code("110123", "Logout")
NODE_AUTHENTICATION = Code("110126", "Node Authentication")
SOFTWARE_CONFIGURATION = Code("110131", "Software Configuration")
USER_SECURITY_CHANGED = Code("110137", "User Security Attributes Changed")

_STUDY = Code("110180", "Study Instance UID")
_SOP_CLASS = Code("110181", "SOP Class UID")
_NODE = Code("110182", "Node ID")
_PATIENT = Code("2", "Patient Number", "RFC-3881")
_URI = Code("12", "URI", "RFC-3881")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """Whose images were sent, as the images say; their own way of saying that it is nobody is to be told."""

    id: str
    name: str
    anonymous: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """Instances of one study that went, or did not go, to a destination."""

    study_uid: str
    instances: dict[str, int]
    patient: Patient
    whole: bool


def application_activity(at: datetime, us: Participant, launcher: Participant, *, what: Code) -> AuditEvent:
    """Application Activity (A.5.3.1): it starts or stops, by somebody."""
    by = Participant(
        user=launcher.user,
        requestor=True,
        role=Code("110151", "Application Launcher"),
        address=launcher.address,
    )
    ours = Participant(user=us.user, role=APPLICATION, other_id=us.other_id, address=us.address)
    return AuditEvent(
        id=Code("110100", "Application Activity"), action=Action.EXECUTE, at=at, types=(what,), participants=(ours, by)
    )


def audit_log_used(at: datetime, reader: Participant, *, uri: str) -> AuditEvent:
    """Audit Log Used (A.5.3.2): somebody reads the trail."""
    log = Subject(id=uri, id_type=_URI, kind=SECURITY_RESOURCE, name="Security Audit Log")
    return AuditEvent(
        id=Code("110101", "Audit Log Used"), action=Action.READ, at=at, participants=(reader,), subjects=(log,)
    )


def instances_transferred(at: datetime, sender: Participant, receiver: Participant, sent: Sent) -> AuditEvent:
    """DICOM Instances Transferred (A.5.3.7), of one patient: there were none of them at the receiver before."""
    study = Subject(
        id=sent.study_uid,
        id_type=_STUDY,
        kind=REPORT,
        instances=sent.instances,
        anonymous=sent.patient.anonymous,
    )
    patient = Subject(id=sent.patient.id, id_type=_PATIENT, kind=PATIENT, name=sent.patient.name)
    return AuditEvent(
        id=Code("110104", "DICOM Instances Transferred"),
        action=Action.CREATE,
        at=at,
        outcome=Outcome.SUCCESS if sent.whole else Outcome.SERIOUS_FAILURE,
        participants=(sender, receiver),
        subjects=(study, patient),
    )


def query(at: datetime, participants: tuple[Participant, ...], *, sop_class: str, asked: bytes) -> AuditEvent:
    """Query (A.5.3.10): we asked somebody; the transfer syntax of what was asked is Explicit VR Little Endian."""
    about = Subject(
        id=sop_class,
        id_type=_SOP_CLASS,
        kind=REPORT,
        query=asked,
        details={"TransferSyntax": "1.2.840.10008.1.2.1"},
    )
    return AuditEvent(
        id=Code("110112", "Query"), action=Action.EXECUTE, at=at, participants=participants, subjects=(about,)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Why somebody in charge of security should know."""

    what: Code
    text: str
    outcome: Outcome = Outcome.SUCCESS
    node: str = ""
    """Whom it is about, where that is a machine."""


def security_alert(at: datetime, us: Participant, by: Participant, alarm: Alarm) -> AuditEvent:
    """Security Alert (A.5.3.11): somebody was refused, or changed who may do what."""
    node = Subject(id=alarm.node, id_type=_NODE, kind=NODE, name=alarm.node, details={"Alert Description": alarm.text})
    return AuditEvent(
        id=Code("110113", "Security Alert"),
        action=Action.EXECUTE,
        at=at,
        types=(alarm.what,),
        outcome=alarm.outcome,
        said=alarm.text,
        participants=(us, by),
        subjects=(node,) if alarm.node else (),
    )


def user_authentication(
    at: datetime, person: Participant, us: Participant, *, what: Code, outcome: Outcome = Outcome.SUCCESS
) -> AuditEvent:
    """User Authentication (A.5.3.12): somebody signs in or out, or tries to."""
    return AuditEvent(
        id=Code("110114", "User Authentication"),
        action=Action.EXECUTE,
        at=at,
        types=(what,),
        outcome=outcome,
        participants=(person, us),
    )
