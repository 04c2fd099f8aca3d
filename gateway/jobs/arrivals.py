"""How scans arrive: what is open at the listener is counted, and told to the database beside receiving it.

A thread of its own looks at the counters and writes; receiving never waits for the database, and no lock is shared.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from gateway.jobs.scans import Arrival, ScanStore
from gateway.model.errors import StorageFault
from gateway.model.ids import RecordingId

logger = logging.getLogger(__name__)

TELL_EVERY_S = 0.5


class Arriving(Protocol):
    """A session that is open."""

    @property
    def recording(self) -> RecordingId:
        """What it becomes."""

    @property
    def n_bytes(self) -> int:
        """How much has come."""

    @property
    def n_acquisitions(self) -> int:
        """In how many readouts."""


@dataclass(kw_only=True)
class Arrivals:
    """The sessions that are open, and what was told of each of them."""

    scans: ScanStore
    monotonic: Callable[[], float] = time.monotonic
    _open: dict[RecordingId, Arriving] = field(default_factory=dict)
    _told: dict[RecordingId, tuple[float, int]] = field(default_factory=dict)

    def opened(self, session: Arriving) -> None:
        """Count a session from now on."""
        self._told[session.recording] = (self.monotonic(), 0)
        self._open[session.recording] = session

    def closed(self, recording: RecordingId) -> None:
        """Count it no more."""
        self._open.pop(recording, None)
        self._told.pop(recording, None)

    def tell(self) -> None:
        """Write how far each session is that has got on, or that has stopped getting on."""
        now = self.monotonic()
        news = [self._news(session, now) for session in list(self._open.values()) if session.recording in self._told]
        try:
            self.scans.arriving([one for one in news if one is not None])
        except StorageFault as fault:
            logger.info("nobody was told how scans arrive", extra={"reason": str(fault)})

    def _news(self, session: Arriving, now: float) -> Arrival | None:
        then, before = self._told.get(session.recording, (now, 0))
        n_bytes = session.n_bytes
        if now <= then or (n_bytes == before and before == 0):
            return None
        if session.recording in self._open:
            self._told[session.recording] = (now, n_bytes)
        return Arrival(
            recording=session.recording,
            n_bytes=n_bytes,
            n_acquisitions=session.n_acquisitions,
            bytes_per_s=(n_bytes - before) / (now - then),
        )

    @contextmanager
    def told(self) -> Iterator[None]:
        """Tell again and again as long as the block lasts."""
        ended = threading.Event()

        def tell() -> None:
            while not ended.wait(TELL_EVERY_S):
                self.tell()

        thread = threading.Thread(target=tell, name="arrivals", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
