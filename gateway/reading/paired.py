"""Whether one recipe is scored better than another on the same scans, by how much, or only by chance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import comb

import numpy as np
import numpy.typing as npt

from gateway.reading.beta import beta_quantile

SAME = 1e-9
"""Means of whole numbers that are no further apart are equal."""


def signed_rank(differences: Sequence[float]) -> float:
    """Test whether paired differences lie around zero (Wilcoxon 1945, doi:10.2307/3001968), two-sided and exact.

    Differences of zero are left out, ties get their middle rank, and every sign is as likely as the other: the
    distribution is that of all sign changes of the ranks at hand, counted and not approximated, however few they are.

    Returns
    -------
        The probability of at least such an imbalance by chance; 1 where nothing differs.
    """
    some = np.asarray([one for one in differences if abs(one) > SAME], float)
    if not some.size:
        return 1.0
    doubled = _doubled_ranks(np.abs(some))
    chances = _sums(doubled)
    found = int(doubled[some > 0].sum())
    below, above = chances[: found + 1].sum(), chances[found:].sum()
    return float(min(1.0, 2 * min(below, above)))


def _sums(ranks: Iterable[int]) -> npt.NDArray[np.float64]:
    """Give how likely each sum of ranks is, where every one of them is in it as often as not."""
    chances = np.ones(1)
    for rank in ranks:
        kept, raised = np.pad(chances, (0, rank)), np.pad(chances, (rank, 0))
        chances = (kept + raised) / 2
    return chances


def shift(differences: Sequence[float], level: float = 0.95) -> tuple[float, float, float] | None:
    """Estimate by how much one lies above the other, with the interval that goes with the signed-rank test.

    Hodges and Lehmann 1963 (doi:10.1214/aoms/1177704172): the median of the means of all pairs of differences, each
    with itself too, and as many of these from below and from above as the test allows at this level.

    Returns
    -------
        Estimate, low, high; None of too few differences for any such interval, that is of fewer than six at 95 %.
    """
    n = len(differences)
    values = np.asarray(differences, float)
    first, second = np.triu_indices(n)
    means = np.sort((values[first] + values[second]) / 2)
    below = np.cumsum(_sums(range(1, n + 1)))
    left_out = int((below <= (1 - level) / 2).sum())
    if left_out == 0:
        return None
    return float(np.median(means)), float(means[left_out - 1]), float(means[-left_out])


def sign_test(n_better: int, n_worse: int) -> float:
    """Test whether one is preferred as often as the other, exact, two-sided; who has none does not count."""
    n = n_better + n_worse
    few = sum(comb(n, k) for k in range(min(n_better, n_worse) + 1))
    return float(min(1, 2 * few / 2**n))


def share_interval(n_of: int, n_all: int, level: float = 0.95) -> tuple[float, float]:
    """Give the interval of a share, never too narrow (Clopper and Pearson 1934, doi:10.1093/biomet/26.4.404)."""
    outside = (1 - level) / 2
    low = 0.0 if n_of == 0 else beta_quantile(outside, n_of, n_all - n_of + 1)
    high = 1.0 if n_of == n_all else beta_quantile(1 - outside, n_of + 1, n_all - n_of)
    return low, high


def _doubled_ranks(sizes: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Rank from 1, ties in their middle, times two: so that they are whole numbers."""
    apart = sizes[:, None] - sizes[None, :]
    smaller, equal = (apart > SAME).sum(axis=1), (np.abs(apart) <= SAME).sum(axis=1)
    ranks: npt.NDArray[np.int64] = (2 * smaller + equal + 1).astype(np.int64)
    return ranks


def holm(chances: Sequence[float]) -> list[float]:
    """Adjust for having made several tests (Holm 1979, jstor.org/stable/4615733)."""
    adjusted, largest = [1.0] * len(chances), 0.0
    for place, index in enumerate(sorted(range(len(chances)), key=lambda one: chances[one])):
        largest = max(largest, min(1.0, (len(chances) - place) * chances[index]))
        adjusted[index] = largest
    return adjusted
