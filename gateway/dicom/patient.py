"""Whose images a file of ours holds, for the audit message that says to whom they were sent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydicom import dcmread


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientOfFile:
    """The patient, as the file says."""

    id: str
    name: str
    removed: bool
    """Whether it says that the patient was taken out of it (Patient Identity Removed)."""


def patient_of(file: Path) -> PatientOfFile:
    """Read who it is.

    Raises
    ------
    OSError
        The file is not there any more, or cannot be read.
    """
    ds = dcmread(file, stop_before_pixels=True, specific_tags=["PatientID", "PatientName", "PatientIdentityRemoved"])
    return PatientOfFile(
        id=str(ds.get("PatientID") or ""),
        name=str(ds.get("PatientName") or ""),
        removed=ds.get("PatientIdentityRemoved") == "YES",
    )
