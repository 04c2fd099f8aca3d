"""Images of scans that still arrive: one folder for each scan, images in it by the digest of all they depend on.

They show patients, as the outbox does, and lie under the same rights. They are no product: a job without them makes the
same ones. So nothing here is synced, and what is damaged is not there.
"""

from __future__ import annotations

import io
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from blake3 import blake3

from gateway.model.errors import StorageFault
from gateway.model.ids import RecordingId
from gateway.whole import whole_file

SUFFIX = ".npy"
DIGEST_BYTES = 32

Array = npt.NDArray[Any]


class Headstart:
    """The images of one scan."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.n_found = 0
        """So many were taken."""
        self._ours = False

    def claim(self) -> bool:
        """Be the only one who makes images of this scan ahead; say whether that worked.

        Raises
        ------
        StorageFault
            The folder cannot be made.
        """
        try:
            self.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.folder.mkdir(mode=0o700)
            self._ours = True
        except FileExistsError:
            return False
        except OSError as error:
            raise StorageFault(f"no images can be made ahead in {self.folder.parent}: {error.strerror}") from error
        return True

    @property
    def begun(self) -> bool:
        """Whether anybody makes, or has made, images ahead."""
        return self.folder.is_dir()

    def find(self, key: str) -> Array | None:
        """Give images, if they are there and whole."""
        try:
            content = self._path(key).read_bytes()
            if blake3(memoryview(content)[DIGEST_BYTES:]).digest() != content[:DIGEST_BYTES]:
                return None
            found: Array = np.load(io.BytesIO(content[DIGEST_BYTES:]), allow_pickle=False)
        except (OSError, ValueError):
            return None
        self.n_found += 1
        return found

    def keep(self, key: str, images: Array) -> None:
        """Lay images down, whole or not at all; only who has claimed them does.

        Raises
        ------
        StorageFault
            There is no room for them.
        """
        if not self._ours:
            return
        content = io.BytesIO()
        np.save(content, images, allow_pickle=False)
        try:
            with whole_file(self._path(key), sync=False) as file:
                file.write(blake3(content.getbuffer()).digest())
                file.write(content.getbuffer())
        except FileNotFoundError:
            return  # it was cleared meanwhile
        except OSError as error:
            raise StorageFault(f"images made ahead cannot be kept: {error.strerror}") from error

    def count(self) -> int:
        """Count what lies there."""
        return len(list(self.folder.glob(f"*{SUFFIX}")))

    def clear(self) -> None:
        """Throw all of it away; safe to repeat."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{SUFFIX}"


class Headstarts:
    """One folder for each scan that arrives."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def of(self, recording: RecordingId) -> Headstart:
        """Give the images of one scan."""
        return Headstart(self.folder / recording)

    def clear(self, older_than_s: float = 0) -> int:
        """Delete what no job has taken in so long; say of how many scans."""
        until = time.time() - older_than_s
        old = [path for path in self.folder.glob("*") if _touched_at(path) <= until]
        for path in old:
            shutil.rmtree(path, ignore_errors=True)
        return len(old)


def _touched_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
