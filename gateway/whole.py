"""Files and folders that are whole whenever anybody sees them, and that a power cut does not take away again.

What is written stands under a hidden name that ends in ``.part`` until it is on the disk; only then does it get its
own, and replaces what had it. A ``.part`` that a dead process has left is rubbish: the next attempt begins anew.
"""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

PRIVATE = 0o600
READABLE = 0o666
"""Modes of files; the process's umask takes from either."""

_NEW = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def whole_file(path: Path, mode: int = PRIVATE, *, sync: bool = True, sync_name: bool = True) -> Iterator[BinaryIO]:
    """Write a file: it has its name, durably, when the block has ended; where the block fails, nothing has changed.

    Parameters
    ----------
    sync
        False for what nobody misses after a power cut.
    sync_name
        False where the caller syncs the folder itself.

    Raises
    ------
    OSError
        The disk did not take it.
    """
    part = _part_of(path)
    try:
        with os.fdopen(os.open(part, _NEW | os.O_TRUNC, mode), "wb") as file:
            yield file
            if sync:
                _sync(file)
        part.rename(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    if sync and sync_name:
        sync_folder(path.parent)


def write_whole(path: Path, content: bytes, mode: int = PRIVATE) -> None:
    """Write a file of these bytes.

    Raises
    ------
    OSError
        The disk did not take it.
    """
    with whole_file(path, mode) as file:
        file.write(content)


@contextmanager
def whole_folder(path: Path, mode: int = PRIVATE | 0o100) -> Iterator[Path]:
    """Fill a folder: when the block has ended it has its name, durably, in the place of what had it.

    Files that are written into it are the caller's to sync; `write_synced` does.

    A folder that has the name and the same files stays, so that whoever reads them meets no gap.

    Raises
    ------
    OSError
        The disk did not take it; what had the name before may be gone, what has it is whole.
    """
    part = _part_of(path)
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(mode=mode, parents=True)
        yield part
        sync_folder(part)
        _publish(part, path)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    sync_folder(path.parent)


def write_synced(path: Path, content: bytes) -> None:
    """Write a new file of a folder that nobody sees yet.

    Raises
    ------
    OSError
        The disk did not take it, or there is such a file.
    """
    with os.fdopen(os.open(path, _NEW | os.O_EXCL, PRIVATE), "wb") as file:
        file.write(content)
        _sync(file)


def sync_file(path: Path) -> None:
    """Make the bytes of a file durable that somebody else has written."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _publish(part: Path, path: Path) -> None:
    if path.exists() and _same_files(part, path):
        shutil.rmtree(part)
        return
    if path.exists():
        shutil.rmtree(path)
    part.rename(path)


def _same_files(one: Path, other: Path) -> bool:
    names, others = ({file.name for file in folder.iterdir()} for folder in (one, other))
    return names == others and all(filecmp.cmp(one / name, other / name, shallow=False) for name in names)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _part_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")
