"""How far readers agree beyond chance, on scores that have an order but no distance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

PAIR = 2
"""Scores that one image needs before they can agree."""


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
