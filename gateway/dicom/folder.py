"""Deliver a series into a folder: a sub-folder for the series, files that are whole whenever they are seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.dicom.outbox import read_checked
from gateway.model.destinations import FolderDestination
from gateway.model.errors import StorageFault
from gateway.model.series import Instance
from gateway.whole import READABLE, write_whole

STORED = 0x0000


def store_in_folder(
    instances: Sequence[tuple[Instance, Path]],
    destination: FolderDestination,
    on_stored: Callable[[Instance, int], None],
) -> None:
    """Copy instances, each under the series and name it has in the outbox, and say of each at once that it is there.

    Raises
    ------
    DamagedFile
        A file in the outbox is not what was written.
    StorageFault
        The folder cannot be written.
    """
    for instance, path in instances:
        content = read_checked(instance, path)
        try:
            folder = destination.path / path.parent.name
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(folder / path.name, content, READABLE)
        except OSError as fault:
            raise StorageFault(f"folder {destination.path} cannot be written: {fault.strerror}") from fault
        on_stored(instance, STORED)
