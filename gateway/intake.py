"""Joiner 1: an MRD session becomes a recording in the spool, a scan row and, where it has readouts, a job."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from gateway.jobs.arrivals import Arrivals
from gateway.jobs.clock import Clock
from gateway.jobs.scans import ScanStore
from gateway.model.errors import StorageFault
from gateway.model.ids import JobId, RecordingId
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
    responder: Callable[[JobId, threading.Event], Iterator[bytes]] | None = None
    """Knows what goes back to the sender once its scan is stored."""
    arrivals: Arrivals | None = None
    """Where it is counted while it is open."""
    recording: RecordingId = field(default_factory=lambda: RecordingId(uuid.uuid4().hex))
    n_acquisitions: int = 0
    _writer: RecordingWriter | None = None
    _beginning: threading.Thread | None = None
    _job: JobId | None = None

    @property
    def n_bytes(self) -> int:
        """How much has come."""
        return self._writer.n_bytes if self._writer else 0

    def begin(self) -> None:
        """Show the scan as arriving, beside receiving it: a database that is busy must not hold a scanner up."""
        self._beginning = threading.Thread(target=self._show, name=f"begin-{self.recording}", daemon=True)
        self._beginning.start()
        if self.arrivals is not None:
            self.arrivals.opened(self)

    def _show(self) -> None:
        try:
            self.scans.begin(self.recording, peer=self.peer, started_at=self.started_at)
        except StorageFault as fault:
            logger.warning("scan not shown while it arrives", extra={"scan": self.recording, "reason": str(fault)})

    def write(self, chunk: memoryview) -> None:
        """Keep bytes; the file is made with the first of them, so that a port probe makes none."""
        self._writer = self._writer or self.spool.create(self.recording, self.started_at.date())
        self._writer.write(chunk)

    def count(self, n_acquisitions: int) -> None:
        """Note how many readouts have come."""
        self.n_acquisitions = n_acquisitions

    def finish(self, verdict: Verdict) -> str:
        """Make the session durable - file, seal, name, row, in this order - and say so."""
        assert self._writer is not None, "a session worth keeping has bytes"  # noqa: S101
        self.wait_until_shown()
        seal = Seal(
            recording=self.recording,
            peer=self.peer,
            started_at=self.started_at,
            ended_at=self.clock(),
            digest=self._writer.digest(),
            verdict=replace(verdict, n_bytes=self._writer.n_bytes),
        )
        state, earlier, self._job = self.scans.finish(seal, self.spool.key_of(self._writer.seal(seal)))
        logger.info("session ended", extra={"scan": self.recording, "state": state, "job": self._job})
        self.abandon()
        return receipt(seal, state, earlier)

    def respond(self, stopping: threading.Event) -> Iterator[bytes]:
        """Give what else goes back to the sender."""
        if self._job is not None and self.responder is not None:
            yield from self.responder(self._job, stopping)

    def discard(self) -> None:
        """Forget a session that nobody will miss."""
        if self._writer is not None:
            self._writer.discard()

    def lose(self, reason: str) -> None:
        """Note that the scan was not stored: what there is of it keeps its ``.part`` name until the next start."""
        self.wait_until_shown()
        try:
            self.scans.lost(self.recording, f"not stored: {reason}")
        except StorageFault as fault:
            logger.warning("a lost scan is not shown", extra={"scan": self.recording, "reason": str(fault)})

    def abandon(self) -> None:
        """Close the file and leave it as it is."""
        if self.arrivals is not None:
            self.arrivals.closed(self.recording)
        if self._writer is not None:
            self._writer.abandon()

    def wait_until_shown(self) -> None:
        """Wait until the row that shows the scan is there, or until it is clear that it will not be."""
        if self._beginning is not None:
            self._beginning.join()


def receipt(seal: Seal, state: ScanState, earlier: RecordingId | None) -> str:
    """Say in one line what became of a session."""
    counted = f"{seal.verdict.n_bytes} bytes, {seal.verdict.n_acquisitions} readouts"
    stored = f"{seal.recording}: {counted}, {seal.digest}"
    match state:
        case ScanState.COMPLETE:
            return f"stored {stored}"
        case ScanState.DUPLICATE:
            return f"stored, not reconstructed again (same bytes as scan {earlier}) {stored}"
        case _:
            return f"{state} {stored}: {seal.verdict.reason}"
