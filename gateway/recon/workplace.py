"""Where a method computes, and how much memory it takes at a time; where that is too much, less, and then elsewhere."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy.typing as npt
import torch

from gateway.model.errors import TooLittleMemory

T = TypeVar("T")


class Shelf(Protocol):
    """Where images lie that were made before their scan was whole."""

    def find(self, key: str) -> npt.NDArray[Any] | None:
        """Give the images of a key, if they are there and whole."""

    def keep(self, key: str, images: npt.NDArray[Any]) -> None:
        """Lay images down."""


CPU = torch.device("cpu")
PART = 4
"""Of the memory that is free, one part in so many is taken; after a failure, of what was taken before."""
ENOUGH_ON_CPU_BYTES = 64 << 20
"""More at a time gains nothing on a CPU, whose caches hold less; nor do results then depend on what is free."""
SMALLEST_BYTES = 16 << 20
"""Less than this at a time helps no more: what does not fit then is not what is cut to pieces."""
SIGNS = ("out of memory", "not enough memory", "insufficient memory", "alloc")
"""How torch and the libraries below it (CUDA, cuFFT, cuBLAS, MKL, the CPU's allocator) say so, in small letters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    """A device, and what may be taken of its memory at a time.

    Parameters
    ----------
    memory_bytes
        For what is cut to pieces, beside data that are there anyway. Never less than one piece is taken.
    shelf
        What lies ready; None where nothing was made before.
    """

    device: torch.device
    memory_bytes: int = sys.maxsize
    shelf: Shelf | None = None

    def __str__(self) -> str:
        """Say where and how much, for people."""
        return f"{self.memory_bytes >> 20} MiB at a time on {self.device}"

    def pieces(self, n: int, each_bytes: int) -> Iterator[slice]:
        """Cut n things, which take so much memory each, to pieces that fit."""
        step = max(1, self.memory_bytes // max(1, each_bytes))
        yield from (slice(start, min(start + step, n)) for start in range(0, n, step))

    def home(self, n_bytes: int) -> torch.device:
        """Say where data are kept between their pieces: here where they fit, else beside the CPU."""
        return self.device if n_bytes <= self.memory_bytes else CPU


def workplaces(device: torch.device, limit_bytes: int | None) -> Iterator[Workplace]:
    """List where to try, one after the other: with less memory at a time, and after a GPU on the CPU.

    Parameters
    ----------
    limit_bytes
        The most that a setting allows; None for as much as helps, and no more than a part of what is free.
    """
    for where in dict.fromkeys((device, CPU)):
        enough = ENOUGH_ON_CPU_BYTES if where.type == "cpu" else sys.maxsize
        memory = min(free_bytes(where) // PART, limit_bytes or enough)
        yield Workplace(device=where, memory_bytes=memory)
        while memory // PART >= SMALLEST_BYTES:
            memory //= PART
            yield Workplace(device=where, memory_bytes=memory)


def free_bytes(device: torch.device) -> int:
    """Ask a device how much of its memory nobody uses."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free)
    try:  # what the system could give without swapping, which Linux alone says
        (line,) = (text for text in Path("/proc/meminfo").read_text().splitlines() if text.startswith("MemAvailable:"))
        free = int(line.split()[1]) * 1024
    except (OSError, ValueError):
        free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return min(free, free_in_groups())


def free_in_groups(own: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")) -> int:
    """Say what the limits of containers and services leave us (control groups, version 2): the least of all above us.

    Files that the kernel has only read ahead count as free: it gives them back before it kills anybody.
    """
    try:
        (path,) = (line.removeprefix("0::/") for line in own.read_text().splitlines() if line.startswith("0::/"))
    except (OSError, ValueError):
        return sys.maxsize
    group = root / path
    groups = [group, *(each for each in group.parents if each.is_relative_to(root))]
    return min((_free_in(each) for each in groups), default=sys.maxsize)


def _free_in(group: Path) -> int:
    try:
        limit = int((group / "memory.max").read_text())  # "max" where there is none
        used = int((group / "memory.current").read_text())
        kept = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return sys.maxsize
    return max(0, limit - used + int(kept.get("inactive_file", 0)))


def retreating(work: Callable[[Workplace], T], places: Iterator[Workplace], told: Callable[[str], None]) -> T:
    """Work at the first place whose memory is enough.

    Parameters
    ----------
    told
        Gets a sentence for every step back.

    Raises
    ------
    TooLittleMemory
        There is none.
    """
    place = next(places)
    while True:
        try:
            return work(place)
        except (MemoryError, RuntimeError) as error:
            if not ran_out(error):
                raise
        # Beyond the clause, which has held on to all that the failed attempt had made.
        _let_go(place)
        smaller = next(places, None)
        if smaller is None:
            raise TooLittleMemory(f"memory ran out with {place}, and there is no place with less")
        told(f"Memory ran out with {place}: begun anew with {smaller}.")
        place = smaller


def ran_out(error: BaseException) -> bool:
    """Say whether an error means that there was no memory."""
    text = str(error).lower()
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(sign in text for sign in SIGNS)


def _let_go(place: Workplace) -> None:
    gc.collect()
    if place.device.type == "cuda":
        torch.cuda.empty_cache()
