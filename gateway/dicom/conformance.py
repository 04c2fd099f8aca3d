"""The DICOM conformance statement (PS3.2 Annex N), written from the tables by which the code works."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydicom.uid import UID, EnhancedMRImageStorage, MRImageStorage, SecondaryCaptureImageStorage

from gateway.dicom.association import VERIFICATION
from gateway.dicom.attributes import METHODS
from gateway.dicom.codecs import SYNTAXES
from gateway.dicom.commitment import ALL_COMMITTED, REQUEST, SOME_FAILED, STORAGE_COMMITMENT
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
from gateway.dicom.service import ServiceLimits
from gateway.dicom.status import STATUSES
from gateway.dicom.syntaxes import UNCOMPRESSED
from gateway.dicom.wire import SLOWEST_BYTES_PER_S
from gateway.model.commitment import FAILURES
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

PAGE = """\
# DICOM conformance

What the gateway says and does on a DICOM network, after PS3.2 Annex N. The tables are the code's own. The attributes
that it writes are those of the MR Image IOD (PS3.3 A.4), and of Enhanced MR (A.36) where a destination wants that;
[attributes.md](attributes.md) lists them with their sources.

## Presentation contexts

Associations that the gateway opens:

{asked}

Each SOP class is offered once with each transfer syntax. A compressed one is offered only where the destination's
`compression` asks for it; it is lossless, and the pixels that arrive are those of the outbox.

Associations that others open, to the port of `[dicom]`, which takes no images:

{answered}

The first of these transfer syntaxes that is proposed is accepted. A caller that proposes to be SCP of storage
commitment (role selection, PS3.7 D.3.3.4) is granted that, and is taken for one where it proposes nothing.

Over DICOMweb, as user agent: STOW-RS (PS3.18 10.5) of the same objects as they lie in the outbox, QIDO-RS (10.6) for
the instances of a series.

## Associations

Implementation class UID {class_uid}, version {version}.
Opened: up to `max_associations` at a time for one series, and one series at a time for a destination; where the peer
grants fewer, those. No asynchronous operations. Longest PDU received: {our_pdu} bytes; sent: what the peer allows, at
most {largest_pdu}. No answer is waited for longer than `timeout_s`, no write longer than that and {slowest} bytes/s.

Accepted: {associations} at a time, {per_address} of them from one address, from callers whose address and AE title are
in `[[dicom.callers]]`, under the AE title of `[dicom]`. The request has to be whole within {request_s:g} s, a message
within {message_s:g} s of its first byte, and between two messages pass no more than {idle_s:g} s; all of this can be
set. A PDU of more than {largest_pdu} bytes or a message of more than {message_bytes} ends the association.

| who calls | answer |
|---|---|
| from an unknown address | the connection is closed, nothing is said |
| to another AE title | rejected, {unknown_called} |
| under an unknown AE title | rejected, {unknown_calling} |
| one too many | rejected, {too_many} |

TLS 1.2 or later on either side, with certificates proven and, of a destination, its name; in the clear only where
`plain = true` says so.

## What a C-STORE status leads to

The first row that contains a status decides. STOW-RS failure reasons are judged by the same table.

| status | meaning | what follows |
|---|---|---|
{statuses}

No status, an abort, a connection that ends, or a deadline that passes: unknown; the same bytes are sent again over a
new association. A duplicate counts as stored only when a query on the level IMAGE shows the instance in its series.

## Storage commitment

When every instance is stored, the gateway asks for their commitment (N-ACTION, action type {request}) under a
transaction UID that is on disk before, over an association of its own, which stays open for `report_wait_s`. The report
(N-EVENT-REPORT, event type {all_committed} or {some_failed}) may come there, or over an association that the PACS
opens, at any time.

| the PACS | what follows |
|---|---|
| does not offer it, or refuses | `auto`: a query on the level IMAGE decides; `required`: held for a person |
| reports all instances | COMMITTED |
| reports some as failed, or leaves some out | those are sent again, and asked for again |
| does not report within `commitment_timeout_s` | `auto`: a query decides; `required`: asked again, under another UID |
| reports again | success, and nothing follows |

| answer to a report | when |
|---|---|
| 0000 | it is on disk |
| 0110 | nobody has asked for this transaction, or the report cannot be read or kept |
| 0113 | its event type is none of the two |

Failure reasons that are told by their names: {failures}.

## Queries

0000 ends a query, FF00 and FF01 carry a match. Any other status is no answer: nothing counts as found or as missing.

Whose scan it is: a PACS is asked on the level STUDY by Study Instance UID, then by Accession Number, then by Patient
ID and Study Date; a worklist by Accession Number, then by Patient ID, day and station of the scheduled step. Keys with
`*`, `?` or a backslash are not asked, and only answers that have what was asked count. Matched or returned:

{keys}

## What a rejected association leads to

A transient rejection is tried again later, a permanent one fails the delivery.

| source | reason | meaning |
|---|---|---|
{rejections}

## De-identification

Where a rule has `deidentify`: Basic Application Confidentiality Profile (PS3.15 E.2), with the options that the project
takes of these: {options}. UIDs and pseudonyms are keyed digests. Recognizable features in images are not removed.

## Character set and identity

ISO_IR 192 where any text needs it, else the default. UIDs are derived below 2.25 from what they identify, transaction
UIDs are random below it. Everything is ContentQualification RESEARCH; series that a neural network took part in end in
`[AI]`, have `DLRECON` as last value of Image Type, an item of purpose 109102 among the contributing equipment, and name
it in Image Comments."""


def statement() -> str:
    """Write the statement."""
    limits = ServiceLimits()
    return PAGE.format(
        asked=_services(ASKED),
        keys=_keys(),
        options=", ".join(f"{meaning} ({code})" for one, (code, meaning) in METHODS.items() if one is not None),
        answered=_services(ANSWERED),
        class_uid=IMPLEMENTATION_CLASS_UID,
        version=IMPLEMENTATION_VERSION_NAME,
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
    )


def _services(services: Sequence[Service]) -> str:
    rows = [
        f"| {UID(one.sop_class).name} | {one.sop_class} | {one.role} "
        f"| {', '.join(UID(uid).name for uid in one.syntaxes)} | {one.when} |"
        for one in services
    ]
    return "\n".join(["| SOP class | UID | role | transfer syntaxes | when |", "|---|---|---|---|---|", *rows])


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
