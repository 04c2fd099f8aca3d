"""Scans: what became of a session with a scanner."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.model.ids import RecordingId


class ScanState(StrEnum):
    """Verdict on a session; only COMPLETE goes on by itself."""

    RECEIVING = "RECEIVING"
    COMPLETE = "COMPLETE"
    INCOMPLETE = "INCOMPLETE"
    NO_DATA = "NO_DATA"
    REJECTED = "REJECTED"
    DUPLICATE = "DUPLICATE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How a session ended, and what it carried."""

    state: ScanState
    reason: str
    recipe_asked: str
    """The configuration name that the client sent; empty where it left the choice to the routes."""
    n_bytes: int
    n_acquisitions: int
    n_waveforms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """What is written beside a recording when its session ends."""

    recording: RecordingId
    peer: str
    started_at: datetime
    ended_at: datetime
    digest: str
    """Of the recording, every byte, with its algorithm: ``blake3:`` and 64 hexadecimal digits."""
    verdict: Verdict
