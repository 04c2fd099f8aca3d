"""How recipes were scored, and which of two was scored better on the same scans."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from gateway.reading.cases import Case, Given
from gateway.reading.paired import shift, signed_rank


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """How a recipe was scored by one criterion."""

    criterion: str
    recipe: str
    n_scores: int
    median: float
    lower_quartile: float
    upper_quartile: float
    mean: float
    counts: tuple[int, ...]
    """How often each score was given, the lowest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two recipes on the same scans by one criterion; of each scan, the mean over the readers counts."""

    criterion: str
    first: str
    second: str
    n_scans: int
    difference: float
    """Mean over the scans, of the first less the second."""
    low: float | None
    high: float | None
    """Interval of 95 % by Hodges and Lehmann; None of fewer than six scans, which allow none."""
    p: float
    """Wilcoxon's signed-rank test, exact and two-sided."""
    p_adjusted: float
    """By Holm, over all comparisons of the study."""


def summed(criterion: str, points: int, cases: Sequence[Case], given: Given) -> Iterator[Summary]:
    """Sum up what each recipe got."""
    for recipe in recipes_of(cases):
        codes = [one.code for one in cases if one.first.recipe == recipe]
        scores = [score for code in codes for score in given.get(criterion, {}).get(code, {}).values()]
        if not scores:
            continue
        lower, median, upper = np.quantile(scores, (0.25, 0.5, 0.75))
        yield Summary(
            criterion=criterion,
            recipe=recipe,
            n_scores=len(scores),
            median=float(median),
            lower_quartile=float(lower),
            upper_quartile=float(upper),
            mean=float(np.mean(scores)),
            counts=tuple(scores.count(point) for point in range(1, points + 1)),
        )


def compared(criterion: str, cases: Sequence[Case], given: Given) -> Iterator[Comparison]:
    """Compare every two recipes."""
    means: dict[str, dict[str, float]] = defaultdict(dict)
    for one in cases:
        if scores := given.get(criterion, {}).get(one.code):
            means[one.first.recipe][one.scan] = float(np.mean(list(scores.values())))
    for first, second in combinations(recipes_of(cases), 2):
        both = sorted(means[first].keys() & means[second].keys())
        if not both:
            continue
        apart = [means[first][scan] - means[second][scan] for scan in both]
        _, low, high = shift(apart) or (None, None, None)
        yield Comparison(
            criterion=criterion,
            first=first,
            second=second,
            n_scans=len(both),
            difference=float(np.mean(apart)),
            low=low,
            high=high,
            p=signed_rank(apart),
            p_adjusted=1.0,
        )


def recipes_of(cases: Sequence[Case]) -> list[str]:
    """List the recipes that are seen."""
    return sorted({one.first.recipe for one in cases})
