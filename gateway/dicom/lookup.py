"""Ask a PACS, an archive or a worklist which study a scan belongs to (C-FIND, PS3.4 C.6.2 and Annex K; QIDO-RS).

What comes back is compared with what was asked: peers match without regard to case, or pass over keys they do not know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from gateway.dicom.identity import (
    REQUEST_READERS,
    STEP_READERS,
    STUDY_READERS,
    Readers,
    identity_of_request,
    identity_of_study,
)
from gateway.dicom.qido import Search, Told, search
from gateway.dicom.query import MOST_MATCHES, STUDY_ROOT_FIND, find
from gateway.dicom.syntaxes import UNCOMPRESSED, encode_dataset
from gateway.model.destinations import DicomPeer, WebPeer
from gateway.model.errors import PeerRefused
from gateway.model.identity import Identity
from gateway.model.sources import Asked, StudySource, WorklistSource

WORKLIST_FIND = "1.2.840.10008.5.1.4.31"
"""Modality Worklist Information Model - FIND."""

_MATCHING = frozenset("*?\\")
"""A key with one of these asks for more than itself (PS3.4 C.2.2.2.4)."""

_UTF8 = "ISO_IR 192"

STUDY_COUNTS = ("ModalitiesInStudy", "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances")
"""What a person wants to see of a study beside its identity (PS3.4 table C.6-5)."""

STUDY_KEYWORDS = (*(keyword for keyword, _ in STUDY_READERS.values()), *STUDY_COUNTS)
"""What is read of a study; its UID comes first."""

NOT_BY_ITSELF = ("StudyDescription", "IssuerOfPatientID")
"""Of these, what an archive says only where it is asked for (PS3.18 table 10.6.3-3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a source is asked for."""

    by: str
    """In words: the study with this ..."""
    keys: Mapping[str, str]
    """By field of `Identity`; an answer must have the same."""
    day: str = ""
    """Day of the study or of the scheduled step, or a range of days."""
    enough: bool = True
    """Whether the only answer may be taken without a person, provided that it agrees with the scanner."""
    alone: bool = False
    """Whether it may be taken although nothing of the patient is known to agree: a UID names one study in the world."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a source knows: the first of its questions that had any answer."""

    question: Question
    found: tuple[Identity, ...]


def look_up(source: Asked, said: Identity) -> Answer | None:
    """Ask a source which studies may be meant; None where it knows none.

    Raises
    ------
    PeerUnreachable
        It does not answer.
    PeerRefused
        It does not let us ask.
    """
    for question in questions(source, said):
        if found := ask(source, question):
            return Answer(question=question, found=found)
    return None


def ask(source: Asked, question: Question) -> tuple[Identity, ...]:
    """Ask one question; only answers that have what was asked count, each once."""
    return tuple(one for one in answers(source, question) if _has(one, question.keys))


def answers(source: Asked, question: Question) -> tuple[Identity, ...]:
    """Ask one question; every answer counts that names a study, each once."""
    if isinstance(source, WorklistSource):
        station = source.station_ae_title or ""
        found = [identity_of_request(ds) for ds in find_requests(source, question.keys, question.day, station)]
    else:
        found = [identity_of_study(told) for told in find_studies(source, question.keys, question.day)]
    return tuple(dict.fromkeys(one for one in found if one.study_instance_uid))


def _has(identity: Identity, keys: Mapping[str, str]) -> bool:
    return all(getattr(identity, field) == value for field, value in keys.items())


def questions(source: Asked, said: Identity) -> Iterator[Question]:
    """Say what to ask, the surest first; what would match more than itself is not asked."""
    is_worklist = isinstance(source, WorklistSource)
    if said.study_instance_uid and not is_worklist:
        yield Question(by="study UID", keys={"study_instance_uid": said.study_instance_uid}, alone=True)
    if _literal(said.accession_number):
        yield Question(by="accession number", keys={"accession_number": str(said.accession_number)})
    if _literal(said.patient_id) and said.study_date:
        keys = {"patient_id": str(said.patient_id)}
        if isinstance(source, WorklistSource):
            day, enough = _around(said.study_date, source.days), source.station_ae_title is not None
            yield Question(by="patient ID, day and station", keys=keys, day=day, enough=enough)
        else:
            yield Question(by="patient ID and day", keys=keys, day=said.study_date, enough=False)


def _literal(text: str | None) -> bool:
    return bool(text) and not _MATCHING & set(text or "")


def _around(day: str, days: int) -> str:
    middle = date(int(day[:4]), int(day[4:6]), int(day[6:]))
    first, last = middle - timedelta(days), middle + timedelta(days)
    return f"{first:%Y%m%d}-{last:%Y%m%d}"


def find_studies(source: StudySource, keys: Mapping[str, str], day: str = "") -> list[Told]:
    """Ask a PACS or an archive for studies; yields text by keyword.

    Parameters
    ----------
    keys
        By field of `Identity`.
    day
        Of the study; or a range of days.
    """
    if isinstance(source, WebPeer):
        return _search_studies(source, keys, day)
    asked = _identifier(STUDY_READERS, keys)
    asked.QueryRetrieveLevel = "STUDY"
    asked.StudyDate = day
    for keyword in STUDY_COUNTS:
        setattr(asked, keyword, "")
    return [_told(ds) for ds in find(source, asked, STUDY_ROOT_FIND)]


def _search_studies(source: WebPeer, keys: Mapping[str, str], day: str) -> list[Told]:
    """Ask by QIDO-RS."""
    given = [(STUDY_READERS[field][0], text) for field, text in keys.items()]
    wanted = [("includefield", keyword) for keyword in NOT_BY_ITSELF]
    query = [*given, *([("StudyDate", day)] if day else []), *wanted]
    found = search(source, Search(path="/studies", keywords=STUDY_KEYWORDS, most=MOST_MATCHES, query=query))
    if len(found) > MOST_MATCHES:
        raise PeerRefused(f"{source.url} finds more than {MOST_MATCHES} matches")
    return found


def _told(ds: Dataset) -> Told:
    """Write what was answered as text."""
    values = {keyword: ds.get(keyword) for keyword in STUDY_KEYWORDS}
    return {
        keyword: "\\".join(map(str, value)) if isinstance(value, MultiValue) else str("" if value is None else value)
        for keyword, value in values.items()
    }


def find_requests(source: DicomPeer, keys: Mapping[str, str], day: str = "", station: str = "") -> list[Dataset]:
    """Ask a worklist for MR procedures, by day and station of the scheduled step."""
    asked = _identifier(REQUEST_READERS, keys)
    step = _identifier(STEP_READERS, {})
    step.Modality = "MR"
    step.ScheduledStationAETitle = station
    step.ScheduledProcedureStepStartDate = day
    step.ScheduledProcedureStepStartTime = ""
    del step.SpecificCharacterSet
    asked.ScheduledProcedureStepSequence = [step]
    return find(source, asked, WORKLIST_FIND)


def blank_query(fields: Sequence[str], *, worklist: bool) -> bytes:
    """Encode what a query matches, without the values: for records that keep no patients. Explicit VR little endian.

    Parameters
    ----------
    fields
        Of `Identity`, those that were matched; words that are none are passed over.
    """
    readers = REQUEST_READERS if worklist else STUDY_READERS
    ds = Dataset()
    for keyword in [readers[field][0] for field in fields if field in readers]:
        setattr(ds, keyword, "")
    if not worklist:
        ds.QueryRetrieveLevel = "STUDY"
    return encode_dataset(ds, UNCOMPRESSED[0])


def _identifier(readers: Readers, keys: Mapping[str, str]) -> Dataset:
    """Ask for all that is read, and match by the keys; UTF-8 at once, so that the peer may answer in it."""
    ds = Dataset()
    ds.SpecificCharacterSet = _UTF8
    for field, (keyword, _) in readers.items():
        setattr(ds, keyword, keys.get(field, ""))
    return ds
