"""What was found out about a scan, kept for whoever asks again: a method first, then the checks of its images."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import torch

from gateway.model.header import ScanHeader
from gateway.model.readout import Acquisition
from gateway.recon.workplace import PART, free_bytes

T = TypeVar("T")

MOST_BYTES = 1 << 30
"""More is never kept, however much memory is free."""


class Memory:
    """Of one scan, as much as there is room for; what finds none is found out again.

    It is of these very readouts and this header: a copy of the scan with others in their place must not believe it.
    """

    def __init__(self, acquisition: Acquisition, header: ScanHeader, room_bytes: int) -> None:
        self._of = acquisition, header
        self._room_bytes = room_bytes
        self._known: dict[Hashable, Any] = {}

    def is_of(self, acquisition: Acquisition, header: ScanHeader) -> bool:
        """Say whether these are its readouts and its header: the objects themselves, whatever they hold."""
        return acquisition is self._of[0] and header is self._of[1]

    def once(self, what: Hashable, find: Callable[[], T], size: Callable[[T], int]) -> T:
        """Give what is known, or find it out and keep it where there is room for so many bytes."""
        if what in self._known:
            known: T = self._known[what]
            return known
        found = find()
        n_bytes = size(found)
        if n_bytes <= self._room_bytes:
            self._room_bytes -= n_bytes
            self._known[what] = found
        return found

    def forget(self) -> None:
        """Let go of everything, and keep nothing more: somebody needs the memory."""
        self._known.clear()
        self._room_bytes = 0


def room_for(limit_bytes: int | None) -> int:
    """Say how much may be kept beside a reconstruction that takes so much at a time; None: a part of what is free."""
    free = free_bytes(torch.device("cpu")) // PART
    return min(MOST_BYTES, free if limit_bytes is None else min(free, limit_bytes))
