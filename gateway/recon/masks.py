"""Which lines of k-space to measure, or to pretend to have measured: patterns for training and for evaluation.

Each gives booleans over the lines, `(y,)`, or over partitions and lines, `(z y)`; the calibration is always measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from gateway.model.errors import WrongCall
from gateway.model.training import Pattern

Bools = npt.NDArray[np.bool_]
Random = np.random.Generator

DENSITY_POWER = 2.0
"""Of a variable density: how fast it falls from the centre."""


def calibration(n: int, n_calibration: int) -> Bools:
    """Measure the lines around the centre, which is at ``n // 2``. Shape `(y,)`."""
    lines = np.zeros(n, np.bool_)
    first = n // 2 - n_calibration // 2
    lines[max(0, first) : first + n_calibration] = True
    return lines


def equispaced(n: int, *, step: int, n_calibration: int, offset: int | None = None) -> Bools:
    """Measure every so-many-th line; without an offset, the centre is among them. Shape `(y,)`."""
    lines = calibration(n, n_calibration)
    lines[(n // 2 if offset is None else offset) % step :: step] = True
    return lines


def centre_lines(n: int, *, acceleration: float) -> Bools:
    """Keep the lines around the centre alone: an image of less resolution."""
    return calibration(n, min(n, max(2, round(n / acceleration / 2) * 2)))


def random_lines(n: int, *, acceleration: float, n_calibration: int, random: Random) -> Bools:
    """Draw lines uniformly, so many that their share is as asked, calibration included (arXiv:1811.08839)."""
    return _drawn(calibration(n, n_calibration), np.ones(n), acceleration, random)


def variable_density(n: int, *, acceleration: float, n_calibration: int, random: Random) -> Bools:
    """Draw lines the more often the closer they are to the centre (Lustig 2007, doi:10.1002/mrm.21391)."""
    distance = np.abs(np.arange(n) - n // 2) / max(1, n // 2)
    return _drawn(calibration(n, n_calibration), (1 - distance) ** DENSITY_POWER + 1 / n, acceleration, random)


def poisson_lines(n: int, *, acceleration: float, n_calibration: int, random: Random) -> Bools:
    """Draw lines that keep apart, the farther the farther from the centre (Vasanawala 2010). Shape `(y,)`.

    Discs in one dimension leave a few lines more or less than asked: those are drawn uniformly.
    """
    lines = poisson_disc(1, n, acceleration=acceleration, n_calibration=n_calibration, random=random)[0]
    centre = calibration(n, n_calibration)
    surplus = int(lines.sum()) - max(round(n / acceleration), int(centre.sum()))
    if surplus > 0:
        lines[random.choice(np.flatnonzero(lines & ~centre), size=surplus, replace=False)] = False
    return _drawn(lines, np.ones(n), acceleration, random)


def _drawn(lines: Bools, density: npt.NDArray[np.float64], acceleration: float, random: Random) -> Bools:
    n_more = round(len(lines) / acceleration) - int(lines.sum())
    if n_more < 0:
        raise WrongCall(
            f"{int(lines.sum())} calibration lines of {len(lines)} are more than acceleration {acceleration:g} leaves"
        )
    free = np.flatnonzero(~lines)
    share = density[free] / density[free].sum()
    lines[random.choice(free, size=min(n_more, len(free)), replace=False, p=share)] = True
    return lines


DRAWN: Mapping[Pattern, Callable[..., Bools]] = MappingProxyType(
    {Pattern.RANDOM: random_lines, Pattern.VARIABLE: variable_density, Pattern.POISSON: poisson_lines}
)
"""Patterns of lines that are drawn, by name."""


def poisson_disc(n_z: int, n_y: int, *, acceleration: float, n_calibration: int, random: Random) -> Bools:
    """Keep points apart, the further the farther from the centre (Vasanawala 2010; Bridson 2007). Shape `(z y)`.

    doi:10.1148/radiol.10091218, doi:10.1145/1278780.1278807. The distance is found by bisection.
    """
    closest, widest = 0.5, 4 * np.sqrt(acceleration)
    seed = int(random.integers(1 << 32))
    best = np.ones((n_z, n_y), np.bool_)
    for _ in range(12):
        radius = (closest + widest) / 2
        found = _discs(n_z, n_y, radius, np.random.default_rng(seed)) | _block(n_z, n_y, n_calibration)
        reached = found.size / found.sum()
        best = found
        closest, widest = (closest, radius) if reached > acceleration else (radius, widest)
    return best


def _block(n_z: int, n_y: int, n_calibration: int) -> Bools:
    return calibration(n_z, n_calibration)[:, None] & calibration(n_y, n_calibration)


def _discs(n_z: int, n_y: int, radius: float, random: Random) -> Bools:
    """Throw darts in random order; a dart that is too close to one that stuck falls."""
    stuck = np.zeros((n_z, n_y), np.bool_)
    for place in random.permutation(n_z * n_y):
        z, y = divmod(int(place), n_y)
        away = np.hypot((z - n_z // 2) / max(1, n_z // 2), (y - n_y // 2) / max(1, n_y // 2))
        apart = radius * (0.5 + away)
        reach = int(apart) + 1
        near = stuck[max(0, z - reach) : z + reach + 1, max(0, y - reach) : y + reach + 1]
        at_z, at_y = np.nonzero(near)
        off = np.hypot(at_z + max(0, z - reach) - z, at_y + max(0, y - reach) - y)
        stuck[z, y] = not (off < apart).any()
    return stuck
