"""The corners of k-space that a 3D scan leaves out on purpose: with lines and partitions within an ellipse."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gateway.recon.counters import Counter
from gateway.recon.lines import Lines

Bools = npt.NDArray[np.bool_]

RING = (0.7, 0.97)
"""Distances from the centre, in parts of the ellipse, between which lines are as dense as they would be outside."""
SPARSE = 0.2
"""Corners that have less than this part of the ring's lines were left out; holes in corners that were measured stay."""
SHORTEST = 8
"""Fewer partitions have no corners."""


def left_out(lines: Lines) -> Bools:
    """Say which places lie in corners that were left out; none where corners were measured. Shape `(z y)`."""
    z, y = lines.partitions, lines.phase_encodes
    distance = np.asarray(np.hypot(_from_centre(z)[:, np.newaxis], _from_centre(y)))
    measured = np.asarray(lines.measured().any(axis=0))
    corners, ring = distance > 1, (distance > RING[0]) & (distance <= RING[1])
    if min(z.n_wanted, y.n_wanted) < SHORTEST or not corners.any() or not ring.any():
        return np.zeros(measured.shape, np.bool_)
    sparse = measured[corners].mean() < SPARSE * measured[ring].mean()
    return np.asarray((distance > RING[1]) & sparse)


def _from_centre(counter: Counter) -> npt.NDArray[np.float64]:
    """Measure the distance of every index from the centre of k-space; the furthest that was wanted is 1."""
    centre = counter.n // 2
    furthest = max(centre - counter.first, counter.last - centre + 1, 1)
    return np.asarray((np.arange(counter.n) - centre) / furthest)
