"""Streams that go back to the sender: written by a worker, taken away once by the listener, and kept only so long.

Both may be processes of their own that share the folder. A reply that nobody has taken is no loss: the same images are
in the series.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from gateway.model.errors import StorageFault
from gateway.model.ids import JobId
from gateway.whole import whole_file

PIECE_BYTES = 1 << 20
SUFFIX = ".mrd"


class Replies:
    """One file for each job."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, job: JobId, pieces: Iterable[bytes]) -> None:
        """Write a reply so that it is either there and whole, or not there.

        Raises
        ------
        StorageFault
            There is no room for it.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with whole_file(self._path(job), sync=False) as file:
                file.writelines(pieces)
        except OSError as error:
            raise StorageFault(f"the images of job {job} cannot be kept for the sender: {error.strerror}") from error

    def take(self, job: JobId) -> Iterator[bytes]:
        """Read a reply, nothing where there is none; it is gone then, whether all of it was read or not."""
        path = self._path(job)
        try:
            with path.open("rb") as file:
                path.unlink()
                while piece := file.read(PIECE_BYTES):
                    yield piece
        except FileNotFoundError:
            return

    def clear(self, older_than_s: float = 0) -> int:
        """Delete what nobody has taken in so long; say how many there were."""
        until = time.time() - older_than_s
        old = [path for path in self.folder.glob("*") if _written_at(path) <= until]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)

    def _path(self, job: JobId) -> Path:
        return self.folder / f"{job}{SUFFIX}"


def _written_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
