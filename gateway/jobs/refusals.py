"""Who was refused at a port, on the audit trail: of an address the first call in an hour at once, then their number.

A flood neither fills the trail nor keeps a port waiting: a port only counts here, a thread of its own writes, and an
address of which there are too many goes with all the others.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from gateway.jobs.clock import Clock
from gateway.model.errors import StorageFault
from gateway.model.refusal import Refusal

logger = logging.getLogger(__name__)

WHAT = "caller refused"
MOST = 100
"""So many addresses and reasons are told apart at a time."""

OTHERS = "other addresses"
LOOK_EVERY_S = 60.0
HOUR = timedelta(hours=1)
LONGEST_DETAIL = 80


class _Kind(NamedTuple):
    """What is counted together."""

    hour: datetime
    address: str
    why: Refusal


@dataclass(slots=True)
class _Count:
    n: int = 0
    n_told: int = 0
    detail: str = ""
    """Of the first."""


class Refusals:
    """Those who were refused at one port.

    Parameters
    ----------
    add
        Writes a line of the audit trail: who, what, text.
    port
        How people call the port.
    """

    def __init__(self, add: Callable[[str, str, str], None], clock: Clock, *, port: str) -> None:
        self._add = add
        self._clock = clock
        self._port = port
        self._counts: dict[_Kind, _Count] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._over = False

    def __call__(self, address: str, why: Refusal, detail: str = "") -> None:
        """Count one; this never waits."""
        hour = self._clock().replace(minute=0, second=0, microsecond=0)
        with self._lock:
            kind = _Kind(hour, address, why)
            if kind not in self._counts and len(self._counts) >= MOST:
                kind = _Kind(hour, OTHERS, why)
            count = self._counts.setdefault(kind, _Count(detail=_printable(detail)))
            count.n += 1
            if not count.n_told:
                self._wake.set()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Write as long as the block lasts, and at its end what is left."""
        thread = threading.Thread(target=self._keep, name="refusals", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over = True
            self._wake.set()
            thread.join()

    def _keep(self) -> None:
        while not self._over:
            self._wake.wait(LOOK_EVERY_S)
            self._wake.clear()
            self._try(everything=False)
        self._try(everything=True)

    def _try(self, *, everything: bool) -> None:
        try:
            self.write(everything=everything)
        except StorageFault as fault:  # the next time, then
            logger.warning("refusals are not on the audit trail yet", extra={"reason": str(fault)})

    def write(self, *, everything: bool = False) -> None:
        """Write down the first of each kind, and of hours that are over how many there were more.

        Raises
        ------
        StorageFault
            The database does not take it; it is kept for the next time.
        """
        now = self._clock()
        with self._lock:
            known = list(self._counts.items())
        for kind, count in known:
            over = everything or not kind.hour <= now < kind.hour + HOUR
            n = count.n
            if n > count.n_told and (over or not count.n_told):
                self._add(kind.address, WHAT, self._sentence(kind, count, n))
                count.n_told = n
        with self._lock:
            for kind, count in known:
                if not kind.hour <= now < kind.hour + HOUR and count.n == count.n_told:
                    del self._counts[kind]

    def _sentence(self, kind: _Kind, count: _Count, n: int) -> str:
        why = f"{self._port}: {kind.why}"
        if not count.n_told:
            told = f"{why} ({count.detail})" if count.detail else why
            return told if n == 1 else f"{told}; {n} calls"
        return f"{why}; {n - count.n_told} more calls in the hour from {kind.hour:%H:%M} UTC"


def _printable(detail: str) -> str:
    """Keep what a caller says of itself to one line, and short."""
    return "".join(sign if sign.isprintable() else "?" for sign in detail)[:LONGEST_DETAIL]
