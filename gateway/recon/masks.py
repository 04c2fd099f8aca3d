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
from gateway.recon.lattice import Lattice

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
    n_more = round(lines.size / acceleration) - int(lines.sum())
    if n_more < 0:
        raise WrongCall(
            f"{int(lines.sum())} calibration lines of {lines.size} are more than acceleration {acceleration:g} leaves"
        )
    free = np.flatnonzero(~lines)
    share = density.ravel()[free] / density.ravel()[free].sum()
    lines.ravel()[random.choice(free, size=min(n_more, len(free)), replace=False, p=share)] = True
    return lines


DRAWN: Mapping[Pattern, Callable[..., Bools]] = MappingProxyType(
    {Pattern.RANDOM: random_lines, Pattern.VARIABLE: variable_density, Pattern.POISSON: poisson_lines}
)
"""Patterns of lines that are drawn, by name."""


def caipirinha(n_z: int, n_y: int, *, acceleration: int, n_calibration: int, random: Random) -> Bools:
    """Measure points of a lattice with any shift and origin; how steps share the acceleration is drawn. Shape `(z y)`.

    Breuer 2006, doi:10.1002/mrm.20787.
    """
    step_z = int(random.choice([step for step in range(1, acceleration + 1) if acceleration % step == 0]))
    step_y = acceleration // step_z
    shift, first_z, first_y = (int(random.integers(n)) for n in (step_y, step_z, step_y))
    lattice = Lattice(step_z=step_z, step_y=step_y, shift=shift, first_z=first_z, first_y=first_y)
    return lattice.points(n_z, n_y) | _block(n_z, n_y, n_calibration)


def random_points(n_z: int, n_y: int, *, acceleration: float, n_calibration: int, random: Random) -> Bools:
    """Draw points uniformly. Shape `(z y)`."""
    return _drawn(_block(n_z, n_y, n_calibration), np.ones((n_z, n_y)), acceleration, random)


def variable_points(n_z: int, n_y: int, *, acceleration: float, n_calibration: int, random: Random) -> Bools:
    """Draw points the more often the closer they are to the centre. Shape `(z y)`."""
    density = np.clip(1 - _away(n_z, n_y), 0, None) ** DENSITY_POWER + 1 / max(n_z, n_y)
    return _drawn(_block(n_z, n_y, n_calibration), density, acceleration, random)


def centre_block(n_z: int, n_y: int, *, acceleration: float) -> Bools:
    """Keep the points around the centre alone: an image of less resolution. Shape `(z y)`."""
    each = acceleration**0.5
    return centre_lines(n_z, acceleration=each)[:, None] & centre_lines(n_y, acceleration=each)


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
    """Throw darts in random order; a dart that is too close to one that stuck falls.

    Each that sticks takes the places from which a dart would fall by it, so that most throws are one look.
    """
    stuck = np.zeros((n_z, n_y), np.bool_)
    apart = radius * (0.5 + _away(n_z, n_y))
    reach = int(apart.max()) + 1
    off = np.hypot(*np.ogrid[-reach : reach + 1, -reach : reach + 1])
    taken = np.zeros((n_z, n_y), np.bool_)
    for place in random.permutation(n_z * n_y).tolist():
        z, y = divmod(place, n_y)
        if taken[z, y]:
            continue
        stuck[z, y] = True
        z_0, z_1, y_0, y_1 = max(0, z - reach), z + reach + 1, max(0, y - reach), y + reach + 1
        near = apart[z_0:z_1, y_0:y_1]
        far = off[z_0 - z + reach :, y_0 - y + reach :][: near.shape[0], : near.shape[1]]
        taken[z_0:z_1, y_0:y_1] |= far < near
    return stuck


def _away(n_z: int, n_y: int) -> npt.NDArray[np.float64]:
    """Measure distances from the centre, in parts of the way to the edge along each axis. Shape `(z y)`."""
    z, y = ((np.arange(n) - n // 2) / max(1, n // 2) for n in (n_z, n_y))
    return np.asarray(np.hypot(z[:, None], y))


POINTS: Mapping[Pattern, Callable[..., Bools]] = MappingProxyType(
    {
        Pattern.EQUISPACED: caipirinha,
        Pattern.RANDOM: random_points,
        Pattern.VARIABLE: variable_points,
        Pattern.POISSON: poisson_disc,
    }
)
"""Patterns of two directions, by name."""
