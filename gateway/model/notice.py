"""Notices: what somebody should hear of. They name a job and a destination, never a reason and never a patient."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class NoticeKind(StrEnum):
    """What became of something."""

    HELD = "held"
    """A person has to decide."""
    FAILED = "failed"
    """It was given up."""
    RECOVERED = "recovered"
    """It was held or had failed, and is done now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing to tell."""

    id: int
    at: datetime
    kind: NoticeKind
    job: int
    destination: str
    """Of a delivery; empty where it is the job itself."""
