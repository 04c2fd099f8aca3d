"""Who a scan is of, and which study it belongs to, in the words of somebody who should know."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

HEADER = "scanner"
"""Stands for a source where the scanner itself is meant; no source in the routes has this name."""

KEY_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A patient and a study. None is not known; text, dates and times are as DICOM writes them."""

    study_instance_uid: str | None = None
    patient_name: str | None = None
    patient_id: str | None = None
    issuer_of_patient_id: str | None = None
    birth_date: str | None = None
    sex: str | None = None
    accession_number: str | None = None
    study_id: str | None = None
    study_date: str | None = None
    study_time: str | None = None
    study_description: str | None = None
    referring_physician: str | None = None
    requested_procedure_id: str | None = None
    requested_procedure: str | None = None
    """Its description; of a worklist, as the next two."""
    scheduled_step_id: str | None = None
    scheduled_step: str | None = None

    @property
    def digest(self) -> str:
        """What tells it from every other."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An identity that a scan may have."""

    source: str
    """Name of the source in the routes, or `HEADER`."""
    identity: Identity
    differences: tuple[str, ...] = ()
    """Fields in which it is at odds with what the scanner said."""

    @property
    def key(self) -> str:
        """Its name, made of what it says: whoever chooses by it can only mean what was shown."""
        return hashlib.sha256(f"{self.source} {self.identity.digest}".encode()).hexdigest()[:KEY_DIGITS]
