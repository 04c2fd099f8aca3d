"""Room on the disk of the recordings: when to warn, and when to take nothing more."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from gateway.model.errors import StorageFault


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How full the disk may be, in percent of what is ours to use."""

    warn_percent: float = 80
    refuse_percent: float = 95

    def used_percent(self, folder: Path) -> float:
        """Say how full the disk of a folder is; what only root may use does not count as free."""
        disk = shutil.disk_usage(folder)
        return 100 * disk.used / (disk.used + disk.free)

    def is_scarce(self, folder: Path) -> bool:
        """Whether a person should make room soon."""
        return self.used_percent(folder) >= self.warn_percent

    def admit(self, folder: Path) -> None:
        """Let a recording begin.

        Raises
        ------
        StorageFault
            There is no room for it.
        """
        used = self.used_percent(folder)
        if used >= self.refuse_percent:
            raise StorageFault(f"the disk is {used:.0f} % full; from {self.refuse_percent:g} % on nothing is taken")
