"""Look what a destination has of a series: a PACS by C-FIND, an archive by QIDO-RS, a folder by reading it back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from pydicom.dataset import Dataset

from gateway.dicom.outbox import read_checked
from gateway.dicom.qido import Search, search
from gateway.dicom.query import find
from gateway.model.destinations import FolderDestination, PacsDestination, StowDestination
from gateway.model.errors import DamagedFile
from gateway.model.series import Instance

SPARE_MATCHES = 100
"""So many more instances than ours may be in a series before something is wrong with the question."""
_NOTHING = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND)
"""An archive may say either of a series that it does not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What ought to be there."""

    study_instance_uid: str
    series_instance_uid: str
    files: Sequence[tuple[Instance, Path]]


def in_pacs(destination: PacsDestination, wanted: Wanted) -> set[str]:
    """Ask for the instances of a series (C-FIND at the level IMAGE, PS3.4 C.6.2.1); yields their UIDs.

    Raises
    ------
    PeerUnreachable
        Nobody answers.
    PeerRefused
        The PACS does not answer queries.
    """
    identifier = Dataset()
    identifier.QueryRetrieveLevel = "IMAGE"
    identifier.StudyInstanceUID = wanted.study_instance_uid
    identifier.SeriesInstanceUID = wanted.series_instance_uid
    identifier.SOPInstanceUID = ""
    found = find(destination, identifier, most=len(wanted.files) + SPARE_MATCHES)
    return {str(one.get("SOPInstanceUID", "")) for one in found}


def in_archive(destination: StowDestination, wanted: Wanted) -> set[str]:
    """Ask for the instances of a series (QIDO-RS, PS3.18 10.6), page by page; yields their UIDs.

    Raises
    ------
    PeerUnreachable
        Nobody answers.
    PeerRefused
        The archive does not answer queries.
    """
    path = f"/studies/{wanted.study_instance_uid}/series/{wanted.series_instance_uid}/instances"
    most = len(wanted.files) + SPARE_MATCHES
    found = search(destination, Search(path=path, keywords=["SOPInstanceUID"], most=most, nothing=_NOTHING))
    return {one["SOPInstanceUID"] for one in found}


def in_folder(destination: FolderDestination, wanted: Wanted) -> set[str]:
    """Read files back and compare them with the hashes of the outbox; yields the UIDs of those that are the same."""
    whole = set()
    for instance, path in wanted.files:
        try:
            read_checked(instance, destination.path / path.parent.name / path.name)
        except DamagedFile:
            continue
        whole.add(instance.sop_instance_uid)
    return whole
