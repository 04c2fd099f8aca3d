"""Did a receiver overflow? Many samples of one coil then have exactly its largest value, wherever in k-space they lie.

Looked for in the readouts as they came: mixed with other coils, a wall is none any more.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from gateway.model.readout import NOT_IMAGING, Acquisition, Flag, Readouts, mask

UNUSED = NOT_IMAGING & ~mask(Flag.IS_PARALLEL_CALIBRATION)
"""Readouts with these do not come into the image, nor into the sensitivities."""
NEAR = 0.98
"""Of the largest value: what is compared with it."""
NEXT = 8
"""Values below the largest one, which show how often one value is met by chance where few are possible."""
TOGETHER = 1 << 22
"""Samples that are looked at together."""

Samples = npt.NDArray[np.complex64]


def clipped_samples(acquisition: Acquisition) -> tuple[float, int] | None:
    """Count samples at the largest value of a coil, over how often others near it are met; and name the worst coil.

    The real and the imaginary part overflow by themselves. Samples that are the same in both parts count once: without
    noise all spokes meet in one value, and none of them needs to be clipped for that.

    Returns
    -------
        1 or little more where nothing was clipped; coils are counted from 0. None where there is no signal.
    """
    counts = [
        (_count(np.concatenate(near)), coil) for coil, near in enumerate(_near_walls(acquisition)) if near is not None
    ]
    return max(counts, key=lambda found: found[0]) if counts else None


def _near_walls(acquisition: Acquisition) -> list[list[Samples] | None]:
    """Collect, coil by coil, the samples of which a part comes near the largest; None of a silent coil."""
    n_coils = max((run.samples.shape[1] for run in acquisition), default=0)
    walls = np.zeros(n_coils, np.float32)
    for samples in _blocks(acquisition):
        found = _largest_part(samples).max(axis=(0, 2), initial=0)
        walls[: len(found)] = np.fmax(walls[: len(found)], found)
    near: list[list[Samples] | None] = [[] if wall > 0 else None for wall in walls]
    for samples in _blocks(acquisition):
        close = _largest_part(samples) >= NEAR * walls[: samples.shape[1], None]
        for coil, kept in enumerate(near[: samples.shape[1]]):
            if kept is not None:
                kept.append(samples[:, coil][close[:, coil]])
    return near


def _blocks(acquisition: Acquisition) -> Iterator[Samples]:
    """Read what comes into the image, a part at a time. Shape `(readout coil sample)`."""
    for run in acquisition:
        used = np.flatnonzero(~run.flagged(UNUSED))
        each = max(1, TOGETHER // max(1, run.samples[0].size if len(run) else 1))
        for first in range(0, len(used), each):
            yield _some(run, used[first : first + each])


def _some(run: Readouts, rows: npt.NDArray[np.intp]) -> Samples:
    if rows[-1] - rows[0] == len(rows) - 1:
        return np.asarray(run.samples[rows[0] : rows[-1] + 1])  # as it lies, without a copy
    return np.asarray(run.samples[rows])


def _largest_part(samples: Samples) -> npt.NDArray[np.float32]:
    return np.maximum(np.abs(samples.real), np.abs(samples.imag))


def _count(near: Samples) -> float:
    """Count samples at the wall over those at the values below it."""
    size = _largest_part(near)
    values, counts = np.unique(size, return_counts=True)
    wall = near[size == values[-1]]
    both = np.abs(wall.real) == np.abs(wall.imag)
    n_at_wall = len(np.unique(wall[~both])) + int(both.sum())
    return n_at_wall / max(1, int(counts[-1 - NEXT : -1].max(initial=1)))
