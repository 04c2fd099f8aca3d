"""The folder of recordings: where a recording lies, and which ones a crash has left unfinished."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from gateway.model.errors import UnreadableFile
from gateway.model.ids import RecordingId
from gateway.spool.recording import PART_SUFFIX, SEAL_SUFFIX, SUFFIX, RecordingWriter, SyncPolicy, sync_folder


class Spool:
    """Recordings below one folder, a sub-folder for each day."""

    def __init__(self, folder: Path, policy: SyncPolicy = SyncPolicy()) -> None:  # noqa: B008 - frozen
        self.folder = folder
        self._policy = policy

    def create(self, recording: RecordingId, day: date) -> RecordingWriter:
        """Begin a recording.

        Raises
        ------
        StorageFault
            The folder cannot be written.
        """
        return RecordingWriter(self.folder / day.isoformat(), recording, policy=self._policy, monotonic=time.monotonic)

    def key_of(self, path: Path) -> str:
        """Name a recording as the database does: its path below the spool."""
        return path.relative_to(self.folder).as_posix()

    def open(self, key: str) -> Path:
        """Find a sealed recording.

        Raises
        ------
        UnreadableFile
            It is not there, or not a regular file.
        """
        path = self.folder / key
        if path.is_symlink() or not path.is_file():
            raise UnreadableFile(path, "the recording is missing or not a regular file")
        return path

    def unfinished(self) -> Iterator[Path]:
        """Find the recordings that were being written when their process died."""
        yield from sorted(self.folder.glob(f"*/*{PART_SUFFIX}"))

    def seals(self) -> Iterator[Path]:
        """Find the seals."""
        yield from sorted(self.folder.glob(f"*/*{SEAL_SUFFIX}"))

    def finish(self, part: Path) -> Path:
        """Give a recording whose seal is written its final name."""
        final = part.with_name(part.name.removesuffix(PART_SUFFIX) + SUFFIX)
        part.rename(final)
        sync_folder(final.parent)
        return final


def seal_path(recording: Path) -> Path:
    """Say where the seal of a recording is, finished or not."""
    stem = recording.name.removesuffix(PART_SUFFIX).removesuffix(SUFFIX)
    return recording.with_name(stem + SEAL_SUFFIX)
