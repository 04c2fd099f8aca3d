"""A recording while it is written: bytes in, durable file out.

The order is the contract: write, fdatasync now and then, fsync, seal, rename, fsync the folder. A failed sync is
final: after it the kernel may have dropped the bytes and a second try would lie (doi:10.1145/3372885, "Can
applications recover from fsync failures?"). Names on disk are ours alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from gateway.model.errors import StorageFault
from gateway.model.ids import RecordingId
from gateway.model.scan import Seal
from gateway.spool.digest import Digest
from gateway.spool.seal import write_seal
from gateway.spool.syncs import Syncs
from gateway.whole import sync_folder

PART_SUFFIX = ".mrd.part"
SUFFIX = ".mrd"
SEAL_SUFFIX = ".seal.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncPolicy:
    """How much may be unsynced at any time; it bounds how long the last sync takes."""

    every_bytes: int = 64 << 20
    every_s: float = 1.0


class RecordingWriter:
    """One recording from its first byte to its seal."""

    def __init__(
        self, folder: Path, recording: RecordingId, *, policy: SyncPolicy, monotonic: Callable[[], float]
    ) -> None:
        self.recording = recording
        self.n_bytes = 0
        self.sealed = False
        self._folder = folder
        self._part = folder / f"{recording}{PART_SUFFIX}"
        self._policy = policy
        self._monotonic = monotonic
        self._unsynced = 0
        self._synced_at = monotonic()
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            self._file = os.open(self._part, flags, 0o600)
        except OSError as error:
            raise StorageFault(f"recording {recording} cannot be opened: {error.strerror}") from error
        self._digest, self._syncs = Digest(), Syncs(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.abandon()

    @property
    def open(self) -> bool:
        """Whether more may come."""
        return self._file >= 0

    def write(self, chunk: memoryview) -> None:
        """Append bytes.

        Raises
        ------
        StorageFault
            They may not be on disk; the recording cannot be acknowledged any more.
        """
        self._digest.take(chunk)
        try:
            at = 0
            while at < len(chunk):
                at += os.write(self._file, chunk[at:])
            self.n_bytes += len(chunk)
            self._unsynced += len(chunk)
            if self._unsynced >= self._policy.every_bytes or self._sync_is_due():
                self._syncs.begin()
                self._unsynced, self._synced_at = 0, self._monotonic()
        except OSError as error:
            raise StorageFault(f"recording {self.recording} cannot be written: {error.strerror}") from error

    def _sync_is_due(self) -> bool:
        return self._monotonic() - self._synced_at >= self._policy.every_s

    def digest(self) -> str:
        """Say the digest of everything that was written."""
        return str(self._digest)

    def seal(self, seal: Seal) -> Path:
        """Make the recording durable under its final name and return that name.

        Raises
        ------
        StorageFault
            It may not be on disk; it keeps its ``.part`` name and is found at the next start.
        """
        try:
            self._syncs.wait()
            os.fsync(self._file)
        except OSError as error:
            raise StorageFault(f"recording {self.recording} cannot be synced: {error.strerror}") from error
        final = finish_recording(self._part, seal)
        self.sealed = True
        self.abandon()
        return final

    def discard(self) -> None:
        """Remove a recording that nobody will miss: a port probe, a health check."""
        self.abandon()
        self._part.unlink(missing_ok=True)

    def abandon(self) -> None:
        """Close the file and leave it as it is."""
        if self._file >= 0:
            self._syncs.stop()
            os.close(self._file)
            self._file = -1


def finish_recording(part: Path, seal: Seal) -> Path:
    """Seal a recording whose bytes are on the disk and give it its final name; safe to repeat.

    Raises
    ------
    StorageFault
        Seal or name may not be on disk; the recording keeps its ``.part`` name and is found at the next start.
    """
    final = part.with_name(f"{seal.recording}{SUFFIX}")
    try:
        write_seal(part.with_name(f"{seal.recording}{SEAL_SUFFIX}"), seal)
        part.rename(final)
        sync_folder(final.parent)
        sync_folder(final.parent.parent)
    except OSError as error:
        raise StorageFault(f"recording {seal.recording} cannot be sealed: {error.strerror}") from error
    return final
