"""Room on the disk of the recordings: when to warn, and when to take nothing more."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gateway.model.errors import StorageFault


class Usage(Protocol):
    """How many bytes of a disk are taken, and how many may be."""

    @property
    def used(self) -> int:
        """Taken."""

    @property
    def free(self) -> int:
        """Left for us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How full the disk may be, in percent of what is ours to use."""

    warn_percent: float = 80
    refuse_percent: float = 95
    usage: Callable[[Path], Usage] = shutil.disk_usage
    """Asks the disk of a folder."""

    def used_percent(self, folder: Path, promised_bytes: int = 0) -> float:
        """Say how full the disk of a folder is, or will be; what only root may use does not count as free."""
        disk = self.usage(folder)
        return 100 * (disk.used + promised_bytes) / (disk.used + disk.free)

    def is_scarce(self, folder: Path) -> bool:
        """Whether a person should make room soon."""
        return self.used_percent(folder) >= self.warn_percent

    def admit(self, folder: Path, promised_bytes: int = 0) -> None:
        """Let a recording begin, if it and those that have begun find room; they may need so much more.

        Raises
        ------
        StorageFault
            There is no room for it.
        """
        used = self.used_percent(folder)
        if used >= self.refuse_percent:
            raise StorageFault(f"the disk is {used:.0f} % full; from {self.refuse_percent:g} % on nothing is taken")
        promised = self.used_percent(folder, promised_bytes)
        if promised >= self.refuse_percent:
            raise StorageFault(
                f"the disk is {used:.0f} % full, and will be {promised:.0f} % with the scans that are arriving and "
                f"this one, if they are as large as others were; from {self.refuse_percent:g} % on nothing is taken"
            )
