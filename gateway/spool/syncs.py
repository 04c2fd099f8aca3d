"""The syncs of a recording while it is written: a scanner does not wait for them."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor


class Syncs:
    """Syncs of a file that grows, one at a time: the next waits for the one before it."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._thread = ThreadPoolExecutor(1, "sync")
        self._running: Future[None] | None = None

    def begin(self) -> None:
        """Sync what is written so far, behind the caller.

        Raises
        ------
        OSError
            The sync before has failed, which is final.
        """
        self.wait()
        self._running = self._thread.submit(os.fdatasync, self._file)

    def wait(self) -> None:
        """Wait for the sync that runs, if one does.

        Raises
        ------
        OSError
            It has failed.
        """
        if self._running is not None:
            self._running.result()

    def stop(self) -> None:
        """End the thread, when the sync that runs has ended."""
        self._thread.shutdown()
