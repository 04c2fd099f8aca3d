"""Intraclass correlation: how much of what scores differ by is due to the images, and not to who read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gateway.reading.beta import f_quantile

FEWEST = 2
"""Readers, and images, of which there can be a variance."""
LEVEL = 0.95
"""Of every interval that is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intraclass:
    """Two-way random effects, absolute agreement (Shrout and Fleiss 1979, doi:10.1037/0033-2909.86.2.420)."""

    single: float
    """ICC(2,1): of what any one of such readers says."""
    single_low: float
    single_high: float
    """Its interval of 95 % (McGraw and Wong 1996, doi:10.1037/1082-989X.1.1.30, table 7)."""
    mean: float
    """ICC(2,k): of the mean of as many readers as there were."""
    mean_low: float
    mean_high: float
    order: float
    """ICC(3,1): of one reader where it does not matter that some are stricter than others."""


@dataclass(frozen=True, slots=True)
class _Squares:
    """Mean squares of a two-way layout without repetition, and its size."""

    n_images: int
    n_readers: int
    images: float
    readers: float
    rest: float


def intraclass(scores: Sequence[Sequence[float]]) -> Intraclass | None:
    """Compare the variance of the images with that of their readers.

    Parameters
    ----------
    scores
        Of each image what every reader gave it, the readers in the same order. Shape `(image reader)`.

    Returns
    -------
        None of fewer than two images or readers, and where nothing differs that could have.
    """
    table = np.asarray(scores, float)
    if table.ndim < FEWEST or min(table.shape) < FEWEST or not np.ptp(table):
        return None
    it = _squares(table)
    n, k = it.n_images, it.n_readers
    between = it.images - it.rest
    single = _part(between, it.images + (k - 1) * it.rest + k * (it.readers - it.rest) / n)
    low, high = sorted(_interval(it, single))
    return Intraclass(
        single=single,
        single_low=low,
        single_high=high,
        mean=_of_mean(single, k),
        mean_low=_of_mean(low, k),
        mean_high=_of_mean(high, k),
        order=_part(between, it.images + (k - 1) * it.rest),
    )


def _part(of: float, whole: float) -> float:
    """Divide; an estimate beyond -1 and 1, which few images can have, is one of these."""
    return min(1.0, max(-1.0, of / whole)) if whole else 0.0


def _squares(table: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> _Squares:
    n, k = table.shape
    by_image, by_reader = table.mean(axis=1), table.mean(axis=0)
    rest = table - by_image[:, None] - by_reader[None, :] + table.mean()
    return _Squares(
        n,
        k,
        images=float(k * by_image.var(ddof=1)),
        readers=float(n * by_reader.var(ddof=1)),
        rest=float((rest**2).sum() / ((n - 1) * (k - 1))),
    )


def _interval(it: _Squares, single: float) -> tuple[float, float]:
    """Find the interval of ICC(2,1), its degrees of freedom after Satterthwaite."""
    n, k = it.n_images, it.n_readers
    if not (it.rest or it.readers):
        return 1.0, 1.0
    ratio = k * max(single, 0.0) / (n * (1 - single))
    a, b = ratio, 1 + ratio * (n - 1)
    spread = (a * it.readers) ** 2 / (k - 1) + (b * it.rest) ** 2 / ((n - 1) * (k - 1))
    freedom = (a * it.readers + b * it.rest) ** 2 / spread if spread else 1.0
    least = f_quantile((1 + LEVEL) / 2, n - 1, freedom)
    most = f_quantile((1 + LEVEL) / 2, freedom, n - 1)
    others = k * it.readers + (k * n - k - n) * it.rest
    low = _part(n * (it.images - least * it.rest), least * others + n * it.images)
    high = _part(n * (most * it.images - it.rest), others + n * most * it.images)
    return low, high


def _of_mean(single: float, k: int) -> float:
    """Say of the mean of k readers what was said of one (Spearman and Brown, 1910)."""
    return _part(k * single, 1 + (k - 1) * single) if single > -1 / (k - 1) else -1.0
