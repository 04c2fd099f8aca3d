"""Ask a PACS what it has: C-FIND (PS3.4 Annex C)."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset

from gateway.dicom.association import PENDING, open_association
from gateway.dicom.command import Command, Field
from gateway.dicom.negotiation import Offer
from gateway.dicom.syntaxes import UNCOMPRESSED, decode_dataset, encode_dataset
from gateway.model.destinations import DicomPeer
from gateway.model.errors import PeerRefused, PeerUnreachable

STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"

MOST_MATCHES = 1000
"""Whoever asks for more has asked the wrong question."""

_MEDIUM_PRIORITY = 0


def find(
    destination: DicomPeer,
    identifier: Dataset,
    sop_class: str = STUDY_ROOT_FIND,
    *,
    most: int = MOST_MATCHES,
) -> list[Dataset]:
    """Ask for what matches.

    Raises
    ------
    PeerUnreachable
        Nobody answers, not to the end, or with what cannot be read.
    PeerRefused
        The peer does not let us ask, or answers with a failure.
    """
    offers = [Offer(sop_class, syntax) for syntax in UNCOMPRESSED]
    command: Command = {"AffectedSOPClassUID": sop_class, "CommandField": Field.C_FIND, "Priority": _MEDIUM_PRIORITY}
    found: list[Dataset] = []
    with open_association(destination, offers) as association:
        offer = next(iter(association.contexts))
        with closing(association.ask(offer, command, encode_dataset(identifier, offer.syntax))) as answers:
            for answer in answers:
                if answer.status not in PENDING:
                    break
                if len(found) == most:
                    raise PeerRefused(f"{association.peer} finds more than {most} matches")
                found.append(_read(answer.dataset, offer.syntax, association.peer))
        if answer.status != 0:
            raise PeerRefused(f"{association.peer} answered the query with 0x{answer.status:04X}")
    return found


def _read(content: bytes, syntax: str, peer: str) -> Dataset:
    try:
        return decode_dataset(content, syntax)
    except ValueError as fault:
        raise PeerUnreachable(f"{peer} answers the query with what cannot be read") from fault


def has_instance(destination: DicomPeer, path: Path) -> bool:
    """Ask whether the PACS has the instance in a file, in its series and study; a refusal is a no.

    Raises
    ------
    PeerUnreachable
        Nobody answers.
    """
    identifier = dcmread(path, specific_tags=["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"])
    identifier.QueryRetrieveLevel = "IMAGE"
    try:
        found = find(destination, identifier)
    except PeerRefused:
        return False
    return any(one.get("SOPInstanceUID") == identifier.SOPInstanceUID for one in found)
