"""Whether one recipe is scored better than another on the same scans, or only by chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

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
    chances = np.ones(1)
    for rank in doubled:
        kept, raised = np.pad(chances, (0, rank)), np.pad(chances, (rank, 0))
        chances = (kept + raised) / 2
    found = int(doubled[some > 0].sum())
    below, above = chances[: found + 1].sum(), chances[found:].sum()
    return float(min(1.0, 2 * min(below, above)))


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
