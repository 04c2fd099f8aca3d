"""Coils that are broken, found without a measurement of their noise: one that is silent, and one that only roars."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gateway.model.errors import BadScan
from gateway.recon.kspace import Sorter
from gateway.recon.noise import LOUD

SOME = 8
"""Lines that are looked at in the middle of k-space, and at its edge."""
FLAT = 0.01
"""A coil whose peak stands out of its edges by less than this part of what others' does shows noise alone."""
FEWEST = 3
"""Coils among which one can be told from the others."""


def check_coils(sorter: Sorter) -> None:
    """Refuse a scan in which a coil is silent, or its noise hides the image, which would spoil that of all coils.

    A coil may be louder than others because its gain is higher: then its peak is higher as well.

    Raises
    ------
    BadScan
        Naming the coil.
    """
    centre, edge = _some_lines(sorter)
    peak = np.abs(centre).max(axis=(0, 2)).astype(np.float64) ** 2
    noise = np.median(np.abs(edge), axis=(0, 2)).astype(np.float64) ** 2
    if not np.isfinite(peak).all() or not np.isfinite(noise).all():
        return  # sorting names the frame
    silent = np.flatnonzero(peak == 0)
    if 0 < len(silent) < len(peak):
        named = f"coil {silent[0]} is" if len(silent) == 1 else f"coils {', '.join(map(str, silent.tolist()))} are"
        raise BadScan(f"{named} silent: all samples are zero")
    if len(peak) < FEWEST or not noise.all():
        return
    stands_out = peak / noise
    broken = np.flatnonzero((noise > LOUD * np.median(noise)) & (stands_out < FLAT * np.median(stands_out)))
    if len(broken):
        ratio = noise[broken[0]] / np.median(noise)
        raise BadScan(f"coil {broken[0]} is broken: at the edge of k-space it has {ratio:.0f} times the others' power")


def _some_lines(sorter: Sorter) -> tuple[npt.NDArray[np.complex64], npt.NDArray[np.complex64]]:
    """Take lines of the middle frame, from the centre of k-space and from its edge. Shape `(line coil sample)` each."""
    lines = sorter.lines
    frame = lines.n_frames // 2
    some = lines.of_frames(frame, frame + 1)
    rows = np.arange(some.start, some.stop)
    z, y = lines.partitions, lines.phase_encodes
    distance = np.hypot((lines.z[some] - z.n // 2) / z.n, (lines.y[some] - y.n // 2) / y.n)
    order = rows[np.argsort(distance, kind="stable")]
    return _samples(sorter, order[:SOME]), _samples(sorter, order[-SOME:])


def _samples(sorter: Sorter, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.complex64]:
    lines = sorter.lines
    found = [sorter.acquisition[run].samples[row] for run, row in zip(lines.run[rows], lines.row[rows], strict=True)]
    shortest = min(each.shape[1] for each in found)
    return np.stack([each[:, :shortest] for each in found])
