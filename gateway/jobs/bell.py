"""The bell: one look at the database for all idle threads of a process, instead of a claim by each of them.

Whatever makes work claimable writes an event in the same transaction, so the number of the last event tells whether
a claim is worth trying. It may be rung in vain, and, where two transactions end in the other order than they have
numbered their events, not at all: so who waits tries again after a while, which also finds what is due by time.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gateway.model.errors import StorageFault

logger = logging.getLogger(__name__)

PATIENCE = 10
"""Who waits tries again after so many looks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often an idle worker looks, and how often a busy one says that it lives."""

    poll_s: float = 0.2
    heartbeat_s: float = 20
    trouble_s: float = 5
    """Pause after the database did not answer."""
    attempt_s: float = 0
    """An attempt that takes longer ends its process, and no code that hangs can prevent it; 0 is never."""


class Bell:
    """Wakes who waits when something has happened, and when all is to end."""

    def __init__(self, stop: threading.Event, patience_s: float) -> None:
        self.stop = stop
        self._patience_s = patience_s
        self._rung = 0
        self._heard = threading.Condition()

    @property
    def rung(self) -> int:
        """How often it was rung; to be asked before looking for work."""
        return self._rung

    def ring(self) -> None:
        """Wake everybody."""
        with self._heard:
            self._rung += 1
            self._heard.notify_all()

    def wait(self, rung: int, patience_s: float | None = None) -> None:
        """Wait until it was rung more often than ``rung``, we are to end, or patience has."""
        patience_s = self._patience_s if patience_s is None else patience_s
        with self._heard:
            self._heard.wait_for(lambda: self._rung != rung or self.stop.is_set(), patience_s)


@contextmanager
def ringing(last_event: Callable[[], int], stop: threading.Event, pace: Pace) -> Iterator[Bell]:
    """Look for events, and ring, as long as the block lasts and nobody says stop."""
    bell, ended = Bell(stop, PATIENCE * pace.poll_s), threading.Event()

    def look() -> None:
        seen = 0
        while not ended.is_set() and not stop.wait(pace.poll_s):
            try:
                last = last_event()
            except StorageFault as fault:
                logger.debug("nobody knows whether anything has happened", extra={"reason": str(fault)})
                continue
            if last != seen:
                seen = last
                bell.ring()
        bell.ring()

    thread = threading.Thread(target=look, name="bell", daemon=True)
    thread.start()
    try:
        yield bell
    finally:
        ended.set()
        thread.join()
