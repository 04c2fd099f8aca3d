"""How often somebody may come: counted by who comes, in windows of time, and forgotten again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

MOST_KEYS = 10_000
"""Of so many is kept count; then those whose window is over are forgotten, and if need be the oldest."""


class Throttle:
    """So many times within so long; whoever comes more often has to wait until the window is over."""

    def __init__(self, most: int, *, within_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._within_s = within_s
        self._clock = clock
        self._counting = threading.Lock()
        self._windows: dict[str, tuple[float, int]] = {}

    def count(self, key: str) -> None:
        """Note that somebody came."""
        with self._counting:
            now = self._clock()
            begun, times = self._windows.pop(key, (now, 0))
            if now - begun >= self._within_s:
                begun, times = now, 0
            self._windows[key] = (begun, times + 1)
            if len(self._windows) > MOST_KEYS:
                self._forget(now)

    def wait_s(self, key: str) -> float:
        """Say how long somebody has to wait; 0 where they need not."""
        with self._counting:
            begun, times = self._windows.get(key, (0.0, 0))
            return max(0.0, begun + self._within_s - self._clock()) if times >= self._most else 0.0

    def _forget(self, now: float) -> None:
        over = [key for key, (begun, _) in self._windows.items() if now - begun >= self._within_s]
        for key in over or [next(iter(self._windows))]:
            del self._windows[key]
