"""What follows a recording while it is written, so that a scanner does not wait for it: its hash and its syncs.

Both leave the interpreter lock to the thread that receives. How far they may be behind is bounded: in memory, and in
what the end of a scan has to wait for.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

PIECES_BEHIND = 8
SMALL_BYTES = 1 << 16
"""What comes in smaller pieces is hashed at once: handing it over would cost more."""


class Digest:
    """SHA-256 of pieces that come one after the other; a thread hashes copies of them."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._thread = ThreadPoolExecutor(1, "hash")
        self._behind: deque[Future[None]] = deque()

    def take(self, piece: memoryview) -> None:
        """Hash the next piece, soon; wait where too many wait already."""
        if len(piece) < SMALL_BYTES:
            self._catch_up(0)
            self._hash.update(piece)
        else:
            self._catch_up(PIECES_BEHIND - 1)
            self._behind.append(self._thread.submit(self._hash.update, bytes(piece)))

    def hexdigest(self) -> str:
        """Say the hash of all that was taken."""
        self._catch_up(0)
        return self._hash.hexdigest()

    def stop(self) -> None:
        """End the thread."""
        self._thread.shutdown(cancel_futures=True)

    def _catch_up(self, n_behind: int) -> None:
        while len(self._behind) > n_behind:
            self._behind.popleft().result()


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
