"""How far readers agree with one another by a criterion, and each with themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gateway.reading.agreement import PAIR, by_image, kappa_interval, krippendorff_alpha, mean_kappa, weighted_kappa
from gateway.reading.cases import Case, Given
from gateway.reading.intraclass import Intraclass, intraclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How far the readers agree by one criterion."""

    criterion: str
    n_readers: int
    n_images: int
    """Which at least two have scored; images, or pairs."""
    alpha: float | None
    """Krippendorff's, for ordinal data."""
    kappa: float | None
    """Cohen's, with quadratic weights; of more than two readers the mean over all pairs of them (Light)."""
    kappa_low: float | None
    kappa_high: float | None
    """Interval of 95 %; of exactly two readers."""
    intraclass: Intraclass | None
    """Of what all of them have scored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeatability:
    """How far a reader agrees with themselves by one criterion, on what they were shown twice unknowingly."""

    criterion: str
    reader: str
    n_images: int
    same: float
    """Share of the images that got the same score again."""
    kappa: float | None
    """Cohen's, with quadratic weights."""


def agreed(criterion: str, points: int, cases: Sequence[Case], given: Given, readers: Sequence[str]) -> Agreement:
    """Measure how far these readers agree."""
    scores = {one.code: given.get(criterion, {}).get(one.code, {}) for one in cases}
    units = [scores_of for scores_of in by_image(scores, readers) if len(scores_of) >= PAIR]
    whole = [scores_of for scores_of in units if len(scores_of) == len(readers)]
    low, high = None, None
    if whole and len(readers) == PAIR:
        first, second = zip(*whole, strict=True)
        low, high = kappa_interval(first, second, points) or (None, None)
    return Agreement(
        criterion=criterion,
        n_readers=len(readers),
        n_images=len(units),
        alpha=krippendorff_alpha(units, points),
        kappa=mean_kappa(whole, points) if whole else None,
        kappa_low=low,
        kappa_high=high,
        intraclass=intraclass(whole),
    )


def repeated(
    criterion: str, points: int, cases: Sequence[Case], given: Given, readers: Sequence[str]
) -> Iterator[Repeatability]:
    """Measure how far each of these readers agrees with themselves."""
    by_code = given.get(criterion, {})
    for reader in readers:
        scores = {code: by_reader[reader] for code, by_reader in by_code.items() if reader in by_reader}
        twice = [one for one in cases if one.repeats in scores and one.code in scores]
        if twice:
            first, second = [scores[one.repeats] for one in twice], [scores[one.code] for one in twice]
            yield Repeatability(
                criterion=criterion,
                reader=reader,
                n_images=len(twice),
                same=float(np.mean([one == other for one, other in zip(first, second, strict=True)])),
                kappa=weighted_kappa(first, second, points),
            )
