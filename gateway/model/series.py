"""A DICOM series in the outbox: files that exist, with the hashes that they had when they were written."""

from __future__ import annotations

from dataclasses import dataclass, replace


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

    def below(self, folder: str) -> Series:
        """Name its files from one folder further up."""
        return replace(self, instances=tuple(replace(one, path=f"{folder}/{one.path}") for one in self.instances))
