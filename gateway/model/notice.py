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
    """It was held, had failed or had an alarm, and is well now."""
    ALARM = "alarm"
    """A control chart says that something has moved, or a phantom was not scanned in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing to tell."""

    id: int
    at: datetime
    kind: NoticeKind
    job: int
    destination: str
    """Of a delivery; empty where it is the job itself."""
    chart: int | None = None
    """Number of the control chart that it is about; then the job, if any, is the one that showed it."""
