"""The folder of recordings: where a recording lies, and which ones a crash has left unfinished."""

from __future__ import annotations

import fcntl
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from gateway.model.errors import DamagedFile, GatewayError
from gateway.model.ids import RecordingId
from gateway.spool.digest import is_of
from gateway.spool.recording import PART_SUFFIX, SEAL_SUFFIX, SUFFIX, RecordingWriter, SyncPolicy
from gateway.spool.room import Room

RECENT, RECENT_DAYS = 100, 2
"""From so many recordings we learn how large one may be; after a start, from the last days that have any."""


class Spool:
    """Recordings below one folder, a sub-folder for each day."""

    def __init__(self, folder: Path, policy: SyncPolicy = SyncPolicy(), room: Room = Room()) -> None:  # noqa: B008 - frozen
        self.folder = folder
        self._policy = policy
        self._room = room
        self._lock = threading.Lock()
        self._open: list[RecordingWriter] = []
        self._sizes: deque[int] = deque(maxlen=RECENT)

    def create(self, recording: RecordingId, day: date) -> RecordingWriter:
        """Begin a recording.

        Raises
        ------
        StorageFault
            There is no room for it beside those that are open, or the folder cannot be written.
        """
        folder = self.folder / day.isoformat()
        with self._lock:
            if self.folder.exists():
                self._room.admit(self.folder, self._promised_bytes())
            writer = RecordingWriter(folder, recording, policy=self._policy, monotonic=time.monotonic)
            self._open.append(writer)
        return writer

    def _promised_bytes(self) -> int:
        """Say what the open recordings and one more may still need: each as much as the largest of late."""
        if not self._sizes:
            days = sorted(path for path in self.folder.glob("*-*-*") if path.is_dir())[-RECENT_DAYS:]
            self._sizes.extend(sorted(one.stat().st_size for day in days for one in day.glob(f"*{SUFFIX}")))
        self._sizes.extend(one.n_bytes for one in self._open if one.sealed)
        self._open = [one for one in self._open if one.open]
        largest = max(self._sizes, default=0)
        return largest + sum(max(0, largest - one.n_bytes) for one in self._open)

    def key_of(self, path: Path) -> str:
        """Name a recording as the database does: its path below the spool."""
        return path.relative_to(self.folder).as_posix()

    def open(self, key: str, *, digest: str | None = None) -> Path:
        """Find a sealed recording; where its digest is given, read it to see that the disk returns what was written.

        Raises
        ------
        DamagedFile
            It is not there, not a regular file, or not what was written.
        """
        path = self.folder / key
        if path.is_symlink() or not path.is_file():
            raise DamagedFile(f"recording {key} is missing or not a regular file")
        if digest is not None and not is_of(digest, path):
            raise DamagedFile(f"recording {key} is not what was written: its digest differs")
        return path

    def delete(self, key: str) -> None:
        """Remove a recording and its seal; safe to repeat."""
        path = self.folder / key
        for one in (path, seal_path(path)):
            one.unlink(missing_ok=True)

    def is_scarce(self) -> bool:
        """Whether a person should make room soon."""
        return self._room.is_scarce(self.folder)

    def used_percent(self) -> float:
        """Say how full the disk is."""
        return self._room.used_percent(self.folder)

    def unfinished(self) -> Iterator[Path]:
        """Find the recordings that were being written when their process died."""
        yield from sorted(self.folder.glob(f"*/*{PART_SUFFIX}"))

    def part_of(self, recording: RecordingId) -> Path | None:
        """Find a recording that is being written."""
        return next(iter(self.folder.glob(f"*/{recording}{PART_SUFFIX}")), None)

    def seals(self) -> Iterator[Path]:
        """Find the seals."""
        yield from sorted(self.folder.glob(f"*/*{SEAL_SUFFIX}"))

    def beside(self, seal: Path) -> Path:
        """Say which recording a seal belongs to."""
        return seal.with_name(seal.name.removesuffix(SEAL_SUFFIX) + SUFFIX)

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Be the one process that writes recordings, as long as the block lasts; the kernel ends it with the process.

        Raises
        ------
        GatewayError
            Another process writes to this spool.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = (self.folder / ".lock").open("w")
        except OSError as error:
            raise GatewayError(f"the spool {self.folder} cannot be written: {error.strerror}") from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise GatewayError(f"another listener writes to the spool {self.folder}") from None
            yield


def recording_id(path: Path) -> RecordingId:
    """Read the recording's id off its file name, finished or not."""
    return RecordingId(path.name.removesuffix(PART_SUFFIX).removesuffix(SUFFIX))


def seal_path(path: Path) -> Path:
    """Say where the seal of a recording is, finished or not."""
    return path.with_name(recording_id(path) + SEAL_SUFFIX)
