"""Joiner 1: an MRD session becomes a recording in the spool, a scan row and, when it is complete, a job."""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass, field
from datetime import datetime

from gateway.jobs.clock import Clock
from gateway.jobs.scans import ScanStore
from gateway.model.ids import RecordingId
from gateway.model.scan import ScanState, Seal, Verdict
from gateway.spool.recording import RecordingWriter
from gateway.spool.spool import Spool

logger = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Reception:
    """One session on its way to the disk: what the listener calls its recorder."""

    spool: Spool
    scans: ScanStore
    clock: Clock
    peer: str
    started_at: datetime
    recording: RecordingId = field(default_factory=lambda: RecordingId(uuid.uuid4().hex))
    _writer: RecordingWriter | None = None

    def begin(self) -> None:
        """Show the scan as arriving."""
        self.scans.begin(self.recording, peer=self.peer, started_at=self.started_at)

    def write(self, chunk: memoryview) -> None:
        """Keep bytes; the file is made with the first of them, so that a port probe makes none."""
        self._writer = self._writer or self.spool.create(self.recording, self.started_at.date())
        self._writer.write(chunk)

    def finish(self, verdict: Verdict) -> str:
        """Make the session durable - file, seal, name, row, in this order - and say so."""
        assert self._writer is not None, "a session worth keeping has bytes"  # noqa: S101
        seal = Seal(
            recording=self.recording,
            peer=self.peer,
            started_at=self.started_at,
            ended_at=self.clock(),
            sha256=self._writer.sha256,
            verdict=verdict,
        )
        state, earlier, job = self.scans.finish(seal, self.spool.key_of(self._writer.seal(seal)))
        logger.info("session ended", extra={"scan": self.recording, "state": state, "job": job})
        return receipt(seal, state, earlier)

    def discard(self) -> None:
        """Forget a session that nobody will miss."""
        if self._writer is not None:
            self._writer.discard()

    def abandon(self) -> None:
        """Leave the file as it is: what is not sealed is found at the next start."""
        if self._writer is not None:
            self._writer.abandon()


def receipt(seal: Seal, state: ScanState, earlier: RecordingId | None) -> str:
    """Say in one line what became of a session."""
    counted = f"{seal.verdict.n_bytes} bytes, {seal.verdict.n_acquisitions} readouts"
    stored = f"{seal.recording}: {counted}, sha256 {seal.sha256}"
    match state:
        case ScanState.COMPLETE:
            return f"stored {stored}"
        case ScanState.DUPLICATE:
            return f"stored, not reconstructed again (same bytes as scan {earlier}) {stored}"
        case _:
            return f"{state} {stored}: {seal.verdict.reason}"
