"""A DICOM series in the outbox: files that exist, with the hashes that they had when they were written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePosixPath


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One file of a series."""

    sop_class_uid: str
    sop_instance_uid: str
    number: int
    path: str
    """Below the outbox folder."""
    sha256: str
    n_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A series as it lies in the outbox, instances in their order."""

    study_instance_uid: str
    series_instance_uid: str
    description: str
    instances: tuple[Instance, ...]
    destinations: tuple[str, ...] = ()
    """Those that it is written for; without any, all that the job has."""

    def below(self, folder: str) -> Series:
        """Name its files from one folder further up."""
        moved = (replace(one, path=str(PurePosixPath(folder, one.path))) for one in self.instances)
        return replace(self, instances=tuple(moved))
