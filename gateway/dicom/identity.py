"""Identities read from what a PACS, a worklist or a scanner says, compared, and written into a series."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import TypeAlias

from pydicom.dataset import Dataset

from gateway.dicom import values
from gateway.dicom.attributes import PRODUCT, SEXES, put_known
from gateway.model.header import ScanHeader
from gateway.model.identity import Identity

Readers: TypeAlias = Mapping[str, tuple[str, Callable[[str | None], str | None]]]

STUDY_READERS: Readers = MappingProxyType(
    {
        "study_instance_uid": ("StudyInstanceUID", values.uid),
        "patient_name": ("PatientName", values.person_name),
        "patient_id": ("PatientID", values.identifier),
        "issuer_of_patient_id": ("IssuerOfPatientID", values.identifier),
        "birth_date": ("PatientBirthDate", values.calendar_date),
        "sex": ("PatientSex", lambda text: SEXES.get((text or "").strip().upper())),
        "accession_number": ("AccessionNumber", lambda text: values.identifier(text, values.SHORT)),
        "study_id": ("StudyID", lambda text: values.identifier(text, values.SHORT)),
        "study_date": ("StudyDate", values.calendar_date),
        "study_time": ("StudyTime", values.time_of_day),
        "study_description": ("StudyDescription", values.text),
        "referring_physician": ("ReferringPhysicianName", values.person_name),
    }
)
"""By field of `Identity`: what a PACS calls it on the level STUDY, and how its text becomes legal (PS3.4 C.6.2.1.2)."""

REQUEST_READERS: Readers = MappingProxyType(
    {
        **{name: row for name, row in STUDY_READERS.items() if not name.startswith("study_")},
        "study_instance_uid": STUDY_READERS["study_instance_uid"],
        "requested_procedure_id": ("RequestedProcedureID", lambda text: values.identifier(text, values.SHORT)),
        "requested_procedure": ("RequestedProcedureDescription", values.text),
    }
)
"""The same of a worklist (PS3.4 table K.6-1)."""

STEP_READERS: Readers = MappingProxyType(
    {
        "scheduled_step_id": ("ScheduledProcedureStepID", lambda text: values.identifier(text, values.SHORT)),
        "scheduled_step": ("ScheduledProcedureStepDescription", values.text),
    }
)
"""What stands in its Scheduled Procedure Step Sequence."""

PATIENT = ("patient_name", "patient_id", "birth_date", "sex")
COMPARED: Mapping[str, str] = MappingProxyType(
    {
        "patient_id": "patient ID",
        "patient_name": "name",
        "birth_date": "birth date",
        "sex": "sex",
        "accession_number": "accession number",
        "study_instance_uid": "study UID",
    }
)
"""Fields that must agree where both sides know them, and how people call them."""

_CORRECT = "CORRECT"
"""Reason for the Attribute Modification (PS3.3 table C.12-1): replaces a wrong value."""


def identity_of_study(told: Mapping[str, str]) -> Identity:
    """Read what a PACS or an archive says of a study, as text by keyword."""
    return Identity(**_read(told, STUDY_READERS))


def identity_of_request(ds: Dataset) -> Identity:
    """Read what a worklist says of a request: its procedure becomes the study (IHE RAD TF-2, appendix A)."""
    steps = ds.get("ScheduledProcedureStepSequence") or [Dataset()]
    found = Identity(**_read(ds, REQUEST_READERS), **_read(steps[0], STEP_READERS))
    return replace(
        found,
        study_id=found.requested_procedure_id,
        study_description=found.requested_procedure or found.scheduled_step,
    )


def identity_of_header(header: ScanHeader) -> Identity:
    """Read what the scanner says."""
    subject, study = header.subject, header.study
    given = {
        "patient_name": subject.patient_name,
        "patient_id": subject.patient_id,
        "birth_date": subject.birth_date,
        "sex": subject.sex,
        "study_instance_uid": study.instance_uid,
        "accession_number": study.accession_number,
        "study_id": study.study_id,
        "study_date": study.date,
        "study_time": study.time,
        "study_description": study.description,
        "referring_physician": study.referring_physician,
    }
    return Identity(**{field: STUDY_READERS[field][1](text) for field, text in given.items()})


def _read(told: Dataset | Mapping[str, str], readers: Readers) -> dict[str, str | None]:
    return {name: read(str(told.get(keyword) or "")) for name, (keyword, read) in readers.items()}


def differences(one: Identity, other: Identity) -> tuple[str, ...]:
    """Name the fields that both know and in which they are at odds."""
    return tuple(said for field, said in COMPARED.items() if _agree(field, one, other) is False)


def corroborated(one: Identity, other: Identity) -> bool:
    """Whether both know the same patient by more than the number of a study."""
    same = {field for field in PATIENT if _agree(field, one, other)}
    return "patient_id" in same or {"patient_name", "birth_date"} <= same


def _agree(field: str, one: Identity, other: Identity) -> bool | None:
    """Say whether both have the same in a field; None where one of them does not know it."""
    ours, theirs = getattr(one, field), getattr(other, field)
    if not ours or not theirs:
        return None
    return bool(_spellings(ours) & _spellings(theirs)) if field == "patient_name" else ours == theirs


def _spellings(name: str) -> set[tuple[str, ...]]:
    """Read each group of a name (alphabetic, ideographic, phonetic) without regard to case, width and separators."""
    groups = unicodedata.normalize("NFKC", name).casefold().split("=")
    return {parts for group in groups if (parts := tuple(part for part in re.split(r"[\^\s,.]+", group) if part))}


def settled(header: ScanHeader, identity: Identity) -> ScanHeader:
    """Replace who and which study, as the scanner said it, by an identity: what it leaves open stays open.

    Only day and time of the study, where a worklist cannot know them, remain the scanner's.
    """
    subject = replace(
        header.subject,
        patient_name=identity.patient_name,
        patient_id=identity.patient_id,
        birth_date=identity.birth_date,
        sex=identity.sex,
    )
    dated = identity.study_date is not None
    study = replace(
        header.study,
        instance_uid=identity.study_instance_uid,
        accession_number=identity.accession_number,
        study_id=identity.study_id,
        date=identity.study_date if dated else header.study.date,
        time=identity.study_time if dated else header.study.time,
        description=identity.study_description,
        referring_physician=identity.referring_physician,
    )
    return replace(header, subject=subject, study=study)


def put_identity(ds: Dataset, identity: Identity, header: ScanHeader, *, at: datetime) -> None:
    """Add what an identity knows beyond a header: the issuer, the request, and what the scanner had said instead.

    The last is the Original Attributes Sequence (PS3.3 table C.12-1).
    """
    put_known(ds, IssuerOfPatientID=identity.issuer_of_patient_id)
    request = Dataset()
    put_known(
        request,
        AccessionNumber=identity.accession_number,
        StudyInstanceUID=identity.study_instance_uid,
        RequestedProcedureID=identity.requested_procedure_id,
        RequestedProcedureDescription=identity.requested_procedure,
        ScheduledProcedureStepID=identity.scheduled_step_id,
        ScheduledProcedureStepDescription=identity.scheduled_step,
    )
    if identity.requested_procedure_id is not None:
        ds.RequestAttributesSequence = [request]
    before = _said_before(identity, identity_of_header(header))
    if len(before):
        item = Dataset()
        item.ModifiedAttributesSequence = [before]
        item.AttributeModificationDateTime = at.strftime("%Y%m%d%H%M%S.%f%z")
        item.ModifyingSystem = PRODUCT
        item.SourceOfPreviousValues = values.text(header.system.station_name)
        item.ReasonForTheAttributeModification = _CORRECT
        ds.OriginalAttributesSequence = [item]


def _said_before(identity: Identity, said: Identity) -> Dataset:
    """Collect what the scanner said otherwise."""
    before = Dataset()
    for field, (keyword, _) in STUDY_READERS.items():
        text = getattr(said, field)
        if text and text != getattr(identity, field) and not (field in _TIMES and identity.study_date is None):
            setattr(before, keyword, text)
    return before


_TIMES = ("study_date", "study_time")
