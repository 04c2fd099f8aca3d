"""The DICOM conformance statement (PS3.2 Annex N), written from the tables by which the code works."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from pydicom.uid import UID, EnhancedMRImageStorage, MRImageStorage, SecondaryCaptureImageStorage

from gateway import __version__
from gateway.dicom import ruling
from gateway.dicom.association import VERIFICATION
from gateway.dicom.attributes import METHODS
from gateway.dicom.codecs import SYNTAXES
from gateway.dicom.commitment import ALL_COMMITTED, REQUEST, SOME_FAILED, STORAGE_COMMITMENT
from gateway.dicom.dicomweb import TRY_LATER
from gateway.dicom.identity import REQUEST_READERS, STEP_READERS, STUDY_READERS
from gateway.dicom.lookup import WORKLIST_FIND
from gateway.dicom.negotiation import (
    IMPLEMENTATION_VERSION_NAME,
    REJECTIONS,
    TOO_MANY,
    UNKNOWN_CALLED_TITLE,
    UNKNOWN_CALLING_TITLE,
)
from gateway.dicom.pdu import LARGEST_PDU_BYTES, OUR_MAX_PDU_BYTES
from gateway.dicom.query import STUDY_ROOT_FIND
from gateway.dicom.session import ServiceLimits
from gateway.dicom.status import STATUSES
from gateway.dicom.stow import SYNTAX_REFUSED
from gateway.dicom.syntaxes import UNCOMPRESSED
from gateway.dicom.wire import SLOWEST_BYTES_PER_S
from gateway.model.commitment import FAILURES
from gateway.model.gate import Action, Check, Grade
from gateway.model.ids import IMPLEMENTATION_CLASS_UID

STORED_CLASSES = (str(MRImageStorage), str(EnhancedMRImageStorage), str(SecondaryCaptureImageStorage))
"""Whatever we build is one of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A SOP class in one role, and when we take it."""

    sop_class: str
    role: str
    syntaxes: Sequence[str] = UNCOMPRESSED
    when: str


ASKED = (
    *(
        Service(sop_class=uid, role="SCU", syntaxes=(*SYNTAXES.values(), *UNCOMPRESSED), when="a series is delivered")
        for uid in STORED_CLASSES
    ),
    Service(sop_class=STORAGE_COMMITMENT, role="SCU", when="all of a series is stored"),
    Service(sop_class=STUDY_ROOT_FIND, role="SCU", when="identity, duplicates, and proofs without commitment"),
    Service(sop_class=WORKLIST_FIND, role="SCU", when="identity, where a worklist is named"),
    Service(sop_class=VERIFICATION, role="SCU", when="an operator asks, or a destination was away"),
)
"""What we ask of others, over associations that we open."""

ANSWERED = (
    Service(sop_class=VERIFICATION, role="SCP", when="anybody who may call asks"),
    Service(sop_class=STORAGE_COMMITMENT, role="SCU (the caller is SCP)", when="a PACS reports what it keeps"),
)
"""What we answer, over associations that others open to the port of ``[dicom]``."""


def statement() -> str:
    """Write the statement: its words are a template, in the chapters of PS3.2 Annex N."""
    words = files("gateway.dicom").joinpath("templates/conformance.md").read_text("utf-8").rstrip()
    limits = ServiceLimits()
    return words.format(
        contents=_contents(words),
        content=_content(),
        asked=_services(ASKED),
        keys=_keys(),
        gate_group=ruling.GROUP,
        private=_private(),
        options=", ".join(f"{meaning} ({code})" for one, (code, meaning) in METHODS.items() if one is not None),
        answered=_services(ANSWERED),
        version=__version__,
        class_uid=IMPLEMENTATION_CLASS_UID,
        version_name=IMPLEMENTATION_VERSION_NAME,
        our_pdu=OUR_MAX_PDU_BYTES,
        largest_pdu=LARGEST_PDU_BYTES,
        slowest=SLOWEST_BYTES_PER_S,
        associations=limits.associations,
        per_address=limits.associations_per_address,
        request_s=limits.request_s,
        message_s=limits.message_s,
        idle_s=limits.idle_s,
        message_bytes=limits.message_bytes,
        unknown_called=_rejection(UNKNOWN_CALLED_TITLE),
        unknown_calling=_rejection(UNKNOWN_CALLING_TITLE),
        too_many=_rejection(TOO_MANY),
        statuses="\n".join(_status_rows()),
        request=REQUEST,
        all_committed=ALL_COMMITTED,
        some_failed=SOME_FAILED,
        failures=_failures(FAILURES),
        rejections="\n".join(f"| {source} | {code} | {why} |" for (source, code), why in REJECTIONS.items()),
        syntax_refused=f"{SYNTAX_REFUSED:04X}",
        try_later=", ".join(str(int(status)) for status in sorted(TRY_LATER)),
    )


def _contents(words: str) -> str:
    """List the chapters and their sections."""
    chapters = re.findall(r"^##(#?) (.+)$", words, flags=re.MULTILINE)
    return "\n".join(f"{'  ' if below else ''}- {title}" for below, title in chapters)


def _content() -> str:
    return "\n".join(f"| {UID(uid).name} | {uid} | yes | no | no |" for uid in STORED_CLASSES)


def _services(services: Sequence[Service]) -> str:
    rows = [
        f"| {UID(one.sop_class).name} | {one.sop_class} | {one.role} "
        f"| {', '.join(UID(uid).name for uid in one.syntaxes)} | {one.when} |"
        for one in services
    ]
    return "\n".join(["| SOP class | UID | role | transfer syntaxes | when |", "|---|---|---|---|---|", *rows])


def _private() -> str:
    """List the private block of the gate, and the checks whose numbers it holds."""
    group, checks = f"{ruling.GROUP:04X}", ", ".join(f"`{check}`" for check in Check)
    rows = [f"| ({group},xx{element:02X}) | {vr} | 1 | {meaning} |" for element, vr, meaning in ruling.ELEMENTS]
    creator = f"| ({group},00xx) | LO | 1 | private creator: `{ruling.CREATOR}` |"
    table = "\n".join(["| tag | VR | VM | what it holds |", "|---|---|---|---|", creator, *rows])
    actions, grades = ", ".join(f"`{one}`" for one in Action), ", ".join(f"`{one}`" for one in Grade)
    return f"{table}\n\nActions: {actions}. Grades: {grades}. Checks: {checks}."


def _keys() -> str:
    rows = [
        f"| {keyword} | {'yes' if field in STUDY_READERS else ''} | {'yes' if field in in_worklist else ''} |"
        for in_worklist in ({**REQUEST_READERS, **STEP_READERS},)
        for field, (keyword, _) in {**STUDY_READERS, **in_worklist}.items()
    ]
    return "\n".join(["| key | PACS | worklist |", "|---|---|---|", *rows])


def _status_rows() -> list[str]:
    return [
        f"| {row.first:04X}{f'-{row.last:04X}' if row.last > row.first else ''} | {row.meaning} | {row.outcome} |"
        for row in STATUSES
    ]


def _rejection(rejection: tuple[int, int, int]) -> str:
    result, source, reason = rejection
    lasting = "transient" if result > 1 else "permanent"
    return f"{lasting}, source {source}, reason {reason}"


def _failures(failures: Mapping[int, str]) -> str:
    return ", ".join(f"{reason:04X} {meaning}" for reason, meaning in failures.items())
