"""How far readers agree beyond chance, on scores that have an order but no distance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

PAIR = 2
"""Scores that one image needs before they can agree."""
NORMAL_95 = 1.959963984540054
"""A normal value is nearer to its mean than so many standard deviations in 95 of 100 cases."""


def weighted_kappa(first: Sequence[int], second: Sequence[int], points: int) -> float | None:
    """Measure how two readers agree (Cohen 1968, doi:10.1037/h0026256), disagreements weighted by their square.

    With these weights it is the intraclass correlation, for many images (Fleiss and Cohen 1973,
    doi:10.1177/001316447303300309).

    Parameters
    ----------
    first, second
        Scores of the same images, from 1 to ``points``.

    Returns
    -------
        1 where they agree, 0 where they agree as by chance; None where both only ever gave one and the same score.
    """
    seen = np.zeros((points, points))
    np.add.at(seen, (np.asarray(first) - 1, np.asarray(second) - 1), 1)
    steps = np.arange(points)
    weights = (steps[:, None] - steps[None, :]) ** 2
    by_chance = np.outer(seen.sum(axis=1), seen.sum(axis=0)) / max(seen.sum(), 1)
    expected = float((weights * by_chance).sum())
    return None if expected == 0 else 1 - float((weights * seen).sum()) / expected


def kappa_interval(first: Sequence[int], second: Sequence[int], points: int) -> tuple[float, float] | None:
    """Give the interval of 95 % of that kappa (Fleiss, Cohen and Everitt 1969, doi:10.1037/h0028106, equation 8).

    It holds for many images; of few it is too narrow.

    Returns
    -------
        None where kappa is not defined.
    """
    kappa = weighted_kappa(first, second, points)
    if kappa is None:
        return None
    seen = np.zeros((points, points))
    np.add.at(seen, (np.asarray(first) - 1, np.asarray(second) - 1), 1 / len(first))
    steps = np.arange(points)
    agree = 1 - (steps[:, None] - steps[None, :]) ** 2 / (points - 1) ** 2
    rows, columns = seen.sum(axis=1), seen.sum(axis=0)
    by_chance = float(rows @ agree @ columns)
    margins = (agree @ columns)[:, None] + (rows @ agree)[None, :]
    spread = (seen * (agree - margins * (1 - kappa)) ** 2).sum() - (kappa - by_chance * (1 - kappa)) ** 2
    wide = NORMAL_95 * np.sqrt(max(float(spread), 0.0) / len(first)) / (1 - by_chance)
    return max(-1.0, kappa - wide), min(1.0, kappa + wide)


def mean_kappa(scores: Sequence[Sequence[int]], points: int) -> float | None:
    """Average kappa over all pairs of readers (Light 1971, doi:10.1037/h0031643).

    Parameters
    ----------
    scores
        Of each image what every reader gave it. Shape `(image reader)`.
    """
    readers = list(zip(*scores, strict=True))
    found = [weighted_kappa(one, other, points) for one, other in combinations(readers, PAIR)]
    known = [one for one in found if one is not None]
    return float(np.mean(known)) if known else None


def krippendorff_alpha(units: Sequence[Sequence[int]], points: int) -> float | None:
    """Measure how any number of readers agree, where some have not scored everything: alpha for ordinal data.

    Krippendorff, Computing Krippendorff's alpha-reliability (2011), repository.upenn.edu/asc_papers/43.

    Parameters
    ----------
    units
        Of each image the scores it got, from 1 to ``points``; an image with less than two does not count.

    Returns
    -------
        1 where they agree, 0 where they agree as by chance; None where nothing could have disagreed.
    """
    seen = np.zeros((points, points))
    for scores in units:
        if len(scores) >= PAIR:
            counts = np.bincount(np.asarray(scores) - 1, minlength=points).astype(float)
            seen += (np.outer(counts, counts) - np.diag(counts)) / (len(scores) - 1)
    totals = seen.sum(axis=1)
    distances = _ordinal_distances(totals)
    expected = float((np.outer(totals, totals) * distances).sum())
    if expected == 0:
        return None
    return 1 - (float(totals.sum()) - 1) * float((seen * distances).sum()) / expected


def _ordinal_distances(totals: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Square how many scores lie between two, each of these counted half."""
    middles = np.cumsum(totals) - totals / 2
    apart: npt.NDArray[np.float64] = (middles[:, None] - middles[None, :]) ** 2
    return apart


def by_image(scores: Mapping[str, Mapping[str, int]], readers: Sequence[str]) -> list[list[int]]:
    """Line up what these readers gave each image."""
    return [[given[reader] for reader in readers if reader in given] for given in scores.values()]
