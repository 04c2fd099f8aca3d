"""The regular pattern in which an accelerated Cartesian scan leaves lines out: found, and held to be whole."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gateway.model.errors import BadScan, IncompleteScan
from gateway.recon.counters import Counter
from gateway.recon.lines import Ints, Lines, listed
from gateway.recon.shutter import left_out

Bools = npt.NDArray[np.bool_]
MAX_STEP = 16
AS_TOLD = 0.9
"""Of the lines that an acceleration leaves, so many are there in patterns that are drawn by chance."""
OFF = 0.25
"""Of the lines without two neighbours, so many lie off the lattice where there is none; lost lines make no others."""
LEAST = 0.5
"""Partial Fourier measures more than this part of k-space; a header that says nothing of less does not mean it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lattice:
    """Every ``step_y``-th line of every ``step_z``-th partition, each ``shift`` lines on from the last (CAIPIRINHA).

    ``first_z`` and ``first_y`` are indices of one point of it (Breuer 2006, doi:10.1002/mrm.20787).
    """

    step_z: int
    step_y: int
    shift: int
    first_z: int
    first_y: int

    @property
    def acceleration(self) -> int:
        """How many times fewer lines than a whole scan has."""
        return self.step_z * self.step_y

    def points(self, n_z: int, n_y: int) -> Bools:
        """Say which lines of a matrix are on it. Shape `(z y)`."""
        return self.holds(np.arange(n_z)[:, np.newaxis], np.arange(n_y))

    def first_line(self, z: int) -> int:
        """Give the first line of a partition on it; beyond the matrix as well."""
        return (self.first_y + (z - self.first_z) // self.step_z * self.shift) % self.step_y

    def holds(self, z: Ints, y: Ints) -> Bools:
        """Say which points are on it; beyond the matrix as well."""
        turns = (z - self.first_z) // self.step_z
        on_z = (z - self.first_z) % self.step_z == 0
        return np.asarray(on_z & ((y - self.first_y - turns * self.shift) % self.step_y == 0))


EVERY_LINE = Lattice(step_z=1, step_y=1, shift=0, first_z=0, first_y=0)
"""Of a scan that leaves lines out as it likes."""


def find_lattice(lines: Lines) -> Lattice:
    """Find the lattice of a scan, from the header's acceleration where it says one, else from the lines themselves.

    Raises
    ------
    IncompleteScan
        Points of it were not measured: naming the first frame that lacks lines, and the lines.
    """
    for counter, limit in (
        (lines.phase_encodes, "kspace_encoding_step_1"),
        (lines.partitions, "kspace_encoding_step_2"),
    ):
        _refuse_stump(counter, announced=limit in lines.encoding.limits)
    filled = lines.measured()
    accelerated = lines.encoding.acceleration
    step_z = _step(np.asarray(filled.any(axis=(0, 2))), round(accelerated.z))
    step_y = (
        _step(np.asarray(filled.any(axis=(0, 1))), round(accelerated.y))
        if step_z == 1
        else max(1, round(accelerated.y))
    )
    every: Bools = np.asarray(filled.all(axis=0))
    best = max(_candidates(every, step_z, step_y), key=lambda lattice: _share(every, lattice))
    _refuse_holes(lines, filled, best)
    return best


def is_irregular(lines: Lines) -> bool:
    """Say whether lines were left out on purpose, but in no regular pattern.

    The header tells the acceleration, every frame has as many lines as that leaves, and many that stand alone lie off
    any lattice of it. Where the header says that every line was measured, a scan lacks some, however they lie.
    """
    told = [max(1.0, each) for each in (lines.encoding.acceleration.z, lines.encoding.acceleration.y)]
    step_z, step_y = map(round, told)
    z, y = lines.partitions, lines.phase_encodes
    filled = lines.measured()
    n_told = z.n_wanted * y.n_wanted / math.prod(told)  # such scans may well be accelerated by 2.4
    if math.prod(told) == 1 or filled.sum(axis=(1, 2)).min() < AS_TOLD * n_told:
        return False
    first: Bools = np.asarray(filled[0])
    padded = np.pad(first, ((0, 0), (1, 1)))
    alone = first & ~(padded[:, :-2] & padded[:, 2:])
    best = max(_candidates(first, step_z, step_y), key=lambda lattice: _share(alone, lattice))
    off = alone & ~best.points(*first.shape)
    return bool(off.sum() > OFF * alone.sum())


def moving_step(lines: Lines) -> int:
    """Say how many lines apart a 2D scan was measured whose pattern moves from frame to frame; 1 where it does not.

    As TSENSE and TGRAPPA have it (Breuer 2005, doi:10.1002/mrm.20430).

    Raises
    ------
    IncompleteScan
        A frame lacks lines of its own pattern.
    """
    counter, step = lines.phase_encodes, max(1, round(lines.encoding.acceleration.y))
    places = [np.flatnonzero(filled) for filled in lines.measured()[:, 0]]
    offsets = [int(each[0]) % step for each in places]
    if lines.partitions.n > 1 or len(set(offsets)) == 1 or any(np.ptp(each % step) for each in places):
        return 1
    for frame, (there, offset) in enumerate(zip(places, offsets, strict=True)):
        wanted = np.arange(counter.first + (offset - counter.first) % step, counter.last + 1, step)
        lacking = np.setdiff1d(wanted, there)
        if len(lacking):
            named = f"{len(lacking)} of {len(wanted)} lines ({listed((lacking - counter.shift).tolist())})"
            raise IncompleteScan(f"{lines.name_frame(frame)} lacks {named} of every {step}. line, which move")
    return step


def need_every_line(lines: Lines, recipe: str) -> None:
    """Refuse a scan in which a line is missing between the first and the last that were to be measured.

    Corners that were left out on purpose are not missing.

    Raises
    ------
    IncompleteScan
        Naming the first frame that lacks lines, and the lines by their counters on the wire.
    BadScan
        None is missing of those that a regular pattern leaves: the scan is accelerated.
    """
    z, y = lines.partitions, lines.phase_encodes
    if (
        min(z.n_wanted / z.n, y.n_wanted / y.n) > LEAST
        and lines.measured()[:, z.first : z.last + 1, y.first : y.last + 1].all()
    ):
        return
    try:
        lattice = find_lattice(lines)
    except IncompleteScan as fault:
        raise IncompleteScan(f"{fault}; recipe {recipe} needs all") from None
    if lattice.acceleration == 1:
        return
    raise BadScan(
        f"the scan is accelerated by {lattice.acceleration}; recipe {recipe} needs all lines: use auto, grappa or sense"
    )


def _refuse_stump(counter: Counter, *, announced: bool) -> None:
    """Refuse a scan that ended early, where the header has no limits that would say so."""
    if not announced and counter.n_wanted < LEAST * counter.n:
        what = f"{counter.n_wanted} of {counter.n} {counter.name}s were measured"
        raise IncompleteScan(f"{what}, and the header does not say that no more were wanted")


def _step(measured: npt.NDArray[Any], told: int) -> int:
    """Take the step that the header tells, or, where it tells none, the gap that most lines have."""
    if told > 1:
        return told
    gaps = np.diff(np.flatnonzero(measured))
    regular = gaps[gaps > 1]
    if not len(regular):
        return 1
    step = int(np.bincount(regular).argmax())
    outside = int((regular == step).sum()) * step
    return step if step <= MAX_STEP and outside > len(measured) // 3 else 1


def _candidates(filled: Bools, step_z: int, step_y: int) -> Iterator[Lattice]:
    n_z, n_y = filled.shape
    for shift in range(step_y if step_z > 1 else 1):
        for first_z in range(min(step_z, n_z)):
            for first_y in range(min(step_y, n_y)):
                yield Lattice(step_z=step_z, step_y=step_y, shift=shift, first_z=first_z, first_y=first_y)


def _share(filled: Bools, lattice: Lattice) -> float:
    points = lattice.points(*filled.shape)
    return float(filled[points].mean())


def _ends(measured: npt.NDArray[Any], counter: Counter, step: int) -> tuple[int, int]:
    """Give the range that a lattice must fill; the limits are the protocol's, and it may end a step before them."""
    places = np.flatnonzero(measured)
    first, last = int(places[0]), int(places[-1])
    if step == 1:
        return counter.first, counter.last
    return (
        first if first - counter.first < 2 * step else counter.first,
        last if counter.last - last < 2 * step else counter.last,
    )


def _refuse_holes(lines: Lines, filled: Bools, lattice: Lattice) -> None:
    """Name the points that are missing between the first and the last that were to be measured."""
    z, y = lines.partitions, lines.phase_encodes
    inside = np.zeros(filled.shape[1:], np.bool_)
    first_y, last_y = _ends(np.asarray(filled.any(axis=(0, 1))), y, lattice.step_y)
    first_z, last_z = _ends(np.asarray(filled.any(axis=(0, 2))), z, lattice.step_z)
    inside[first_z : last_z + 1, first_y : last_y + 1] = True
    wanted = lattice.points(*filled.shape[1:]) & inside & ~left_out(lines)
    lacks = wanted & ~filled
    lacking = np.flatnonzero(lacks.any(axis=(1, 2)))
    if not len(lacking):
        return
    at_z, at_y = np.nonzero(lacks[lacking[0]])
    named = listed((at_y[at_z == at_z[0]] - y.shift).tolist())
    partition = f"partition {at_z[0] - z.shift}: " if z.n > 1 else ""
    step = f"every {lattice.step_y}. line" + (f" of every {lattice.step_z}. partition" if lattice.step_z > 1 else "")
    raise IncompleteScan(
        f"{lines.name_frame(int(lacking[0]))} lacks {len(at_y)} of {int(wanted.sum())} lines ({partition}{named})"
        + (f" of {step}" if lattice.acceleration > 1 else "")
        + (f" and {len(lacking) - 1} more images lack some" if len(lacking) > 1 else "")
    )
