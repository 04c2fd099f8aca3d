"""What a PACS, an archive or a worklist has, as rows that a person reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydicom.dataset import Dataset

from gateway.dicom.identity import identity_of_request, identity_of_study
from gateway.dicom.lookup import find_requests, find_studies
from gateway.model.destinations import DicomPeer
from gateway.model.identity import Identity
from gateway.model.sources import StudySource


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRow:
    """A study that a PACS or an archive has."""

    identity: Identity
    modalities: str
    n_series: str
    n_instances: str
    """Counts are empty where the PACS does not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRow:
    """A procedure that is scheduled."""

    identity: Identity
    day: str
    time: str
    station: str


def list_studies(source: StudySource, keys: Mapping[str, str], day: str = "") -> list[StudyRow]:
    """List studies, the newest first."""
    rows = [
        StudyRow(
            identity=identity_of_study(told),
            modalities=told["ModalitiesInStudy"].replace("\\", ", "),
            n_series=told["NumberOfStudyRelatedSeries"],
            n_instances=told["NumberOfStudyRelatedInstances"],
        )
        for told in find_studies(source, keys, day)
    ]
    return sorted(rows, key=lambda row: (row.identity.study_date or "", row.identity.study_time or ""), reverse=True)


def list_requests(source: DicomPeer, keys: Mapping[str, str], day: str = "", station: str = "") -> list[RequestRow]:
    """List what is scheduled, the earliest first."""
    rows = [_request(ds) for ds in find_requests(source, keys, day, station)]
    return sorted(rows, key=lambda row: (row.day, row.time))


def _request(ds: Dataset) -> RequestRow:
    step = (ds.get("ScheduledProcedureStepSequence") or [Dataset()])[0]
    return RequestRow(
        identity=identity_of_request(ds),
        day=_text(step, "ScheduledProcedureStepStartDate"),
        time=_text(step, "ScheduledProcedureStepStartTime"),
        station=_text(step, "ScheduledStationAETitle"),
    )


def _text(ds: Dataset, keyword: str) -> str:
    return str(ds.get(keyword) or "")
