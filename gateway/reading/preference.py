"""Which of two recipes is preferred where both stand side by side, and whether a side is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gateway.reading.cases import Case, Given
from gateway.reading.paired import SAME, share_interval, sign_test, signed_rank


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """Two recipes side by side by one criterion: answers, and of each scan what its readers prefer on the whole."""

    criterion: str
    first: str
    second: str
    n_first: int
    """Answers that the first is better."""
    n_same: int
    n_second: int
    n_scans: int
    n_scans_first: int
    """Scans of which the mean answer is for the first."""
    n_scans_second: int
    share: float | None
    """Of the scans with a preference, that for the first; None where there is none."""
    low: float | None
    high: float | None
    """Interval of 95 % of that share (Clopper and Pearson)."""
    p_sign: float
    """Sign test on the scans, exact and two-sided."""
    p: float
    """Wilcoxon's signed-rank test on the mean answers by scan, exact and two-sided."""
    p_adjusted: float
    """By Holm, over all comparisons of the study."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Whether a reader prefers what stands on one side; sides were drawn, so that half is expected."""

    reader: str
    n_left: int
    n_right: int
    p: float
    """Sign test, exact and two-sided."""


def preferred(criterion: str, points: int, cases: Sequence[Case], given: Given) -> Iterator[Preference]:
    """Count what is preferred of every two recipes."""
    middle = (points + 1) / 2
    pairs: dict[tuple[str, str], list[Case]] = {}
    for one in cases:
        if one.second is not None:
            pairs.setdefault((one.first.recipe, one.second.recipe), []).append(one)
    for (first, second), theirs in sorted(pairs.items()):
        answers = [[middle - score for score in given.get(criterion, {}).get(one.code, {}).values()] for one in theirs]
        if any(answers):
            yield _preference(criterion, (first, second), [one for one in answers if one])


def _preference(criterion: str, pair: tuple[str, str], answers: Sequence[Sequence[float]]) -> Preference:
    said = [one for of_scan in answers for one in of_scan]
    by_scan = [float(np.mean(of_scan)) for of_scan in answers]
    n_first, n_second = sum(one > SAME for one in by_scan), sum(one < -SAME for one in by_scan)
    n_any = n_first + n_second
    low, high = share_interval(n_first, n_any) if n_any else (None, None)
    return Preference(
        criterion=criterion,
        first=pair[0],
        second=pair[1],
        n_first=sum(one > 0 for one in said),
        n_same=sum(one == 0 for one in said),
        n_second=sum(one < 0 for one in said),
        n_scans=len(by_scan),
        n_scans_first=n_first,
        n_scans_second=n_second,
        share=n_first / n_any if n_any else None,
        low=low,
        high=high,
        p_sign=sign_test(n_first, n_second),
        p=signed_rank(by_scan),
        p_adjusted=1.0,
    )


def sided(points: int, given: Given, turned: Mapping[str, frozenset[str]]) -> Iterator[Side]:
    """Count for each reader how often what stood left was better, over all criteria.

    Parameters
    ----------
    turned
        Of each reader the codes of the pairs whose second image stood left.
    """
    middle = (points + 1) / 2
    for reader, codes in turned.items():
        left = [
            (middle - score[reader]) * (-1 if code in codes else 1)
            for by_code in given.values()
            for code, score in by_code.items()
            if reader in score
        ]
        n_left, n_right = sum(one > 0 for one in left), sum(one < 0 for one in left)
        yield Side(reader=reader, n_left=n_left, n_right=n_right, p=sign_test(n_left, n_right))
