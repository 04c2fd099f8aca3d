"""A scan as the methods get it: readouts whose noise is white and whose sign is ours."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import TypeVar

from gateway.model.header import ScanHeader
from gateway.model.readout import Acquisition
from gateway.recon.memory import Memory

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """Readouts and their header.

    Parameters
    ----------
    noise_power
        Variance of the noise of one complex sample, the same for all coils; None where it was not measured.
    whitened_by
        Digest of the earlier measurement that made the noise white; empty where it was the scan's own, or none.
    memory
        Keeps what is found out of these readouts, where others will ask again.
    """

    acquisition: Acquisition
    header: ScanHeader
    noise_power: float | None = None
    whitened_by: str = ""
    memory: Memory | None = field(default=None, compare=False, repr=False)

    def once(self, what: Hashable, find: Callable[[], T], size: Callable[[T], int]) -> T:
        """Find something out, or recall it; a copy of the scan with other readouts recalls nothing."""
        if self.memory is None or not self.memory.is_of(self.acquisition, self.header):
            return find()
        return self.memory.once(what, find, size)

    @property
    def remembers(self) -> bool:
        """Say whether what is found out is kept for others."""
        return self.memory is not None and self.memory.is_of(self.acquisition, self.header)

    def letting_go(self, told: Callable[[str], None]) -> Callable[[str], None]:
        """Forget everything when somebody is told that memory ran out."""

        def tell(sentence: str) -> None:
            if self.memory is not None:
                self.memory.forget()
            told(sentence)

        return tell
