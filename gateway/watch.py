"""A folder for scans as files: what is put there is sent to our own listener, so that it comes in like any other."""

from __future__ import annotations

import logging
from pathlib import Path

from gateway.model.errors import GatewayError, PeerRefused, PeerUnreachable, UnreadableFile
from gateway.mrd.client import send_session
from gateway.mrd.files import stream_of
from gateway.mrd.listener import BUSY, NOT_STORED

logger = logging.getLogger(__name__)

TAKEN, REFUSED = "taken", "refused"
"""Where a file goes; beside one that was refused lies a text that says why."""


class WatchFolder:
    """Looks again and again; a file is taken when it has not changed between two looks."""

    def __init__(self, folder: Path, host: str, port: int) -> None:
        self._folder = folder
        self._address = host, port
        self._seen: dict[Path, tuple[int, int]] = {}

    def look(self) -> int:
        """Take what is ready; say how many files were."""
        found = {path: _look_of(path) for path in sorted(self._folder.glob("*.h5"))}
        ready = [path for path, look in found.items() if self._seen.get(path) == look]
        self._seen = found
        for path in ready:
            self._take(path)
        return len(ready)

    def _take(self, path: Path) -> None:
        try:
            said = send_session(stream_of(path)[1], *self._address, on_sent=lambda _n: None).texts
        except (UnreadableFile, PeerRefused, PeerUnreachable) as fault:
            logger.warning("file not taken", extra={"path": str(path), "reason": str(fault)})
            if not _may_heal(fault):
                _move(path, REFUSED)
                (self._folder / REFUSED / f"{path.name}.txt").write_text(f"{fault}\n")
        else:
            _move(path, TAKEN)
            logger.info("file taken", extra={"path": str(path), "said": "; ".join(said)})


def _may_heal(fault: GatewayError) -> bool:
    return fault.transient or any(word in str(fault) for word in (BUSY, NOT_STORED))


def _look_of(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _move(path: Path, where: str) -> None:
    folder = path.parent / where
    folder.mkdir(exist_ok=True)
    path.rename(folder / path.name)
