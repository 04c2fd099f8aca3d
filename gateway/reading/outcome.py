"""What a study found: scores by recipe, recipes in pairs, and how far the readers agree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from gateway.model.reading import Study, StudyImage
from gateway.reading.agreement import by_image, krippendorff_alpha, weighted_kappa
from gateway.reading.paired import holm, signed_rank

Given = Mapping[str, Mapping[str, Mapping[str, int]]]
"""Scores by criterion, code of the image, and reader."""

TWO = 2


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
    p: float
    """Wilcoxon's signed-rank test, exact and two-sided."""
    p_adjusted: float
    """By Holm, over all comparisons of the study."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How far the readers agree by one criterion."""

    criterion: str
    n_readers: int
    n_images: int
    """Which at least two have scored."""
    alpha: float | None
    """Krippendorff's, for ordinal data."""
    kappa: float | None
    """Cohen's, with quadratic weights; of exactly two readers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeatability:
    """How far a reader agrees with themselves by one criterion, on images that they were shown twice unknowingly."""

    criterion: str
    reader: str
    n_images: int
    same: float
    """Share of the images that got the same score again."""
    kappa: float | None
    """Cohen's, with quadratic weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a study found, of the readers who have finished."""

    readers: tuple[str, ...]
    summaries: tuple[Summary, ...]
    comparisons: tuple[Comparison, ...]
    agreements: tuple[Agreement, ...]
    repeatability: tuple[Repeatability, ...]


def outcome_of(study: Study, shown: Sequence[StudyImage], given: Given, readers: Sequence[str]) -> Outcome:
    """Make the tables of a study from what these readers gave; of an image that was shown twice, the first counts.

    Parameters
    ----------
    shown
        In the order of the study.
    """
    pairs = repeated(shown)
    images = [one for one in shown if one.code not in pairs]
    found = [one for criterion in study.criteria for one in _compared(criterion.name, images, given)]
    adjusted = holm([one.p for one in found])
    return Outcome(
        readers=tuple(readers),
        summaries=tuple(one for each in study.criteria for one in _summed(study, each.name, images, given)),
        comparisons=tuple(replace(one, p_adjusted=p) for one, p in zip(found, adjusted, strict=True)),
        agreements=tuple(_agreed(study, each.name, images, given, readers) for each in study.criteria)
        if readers
        else (),
        repeatability=tuple(
            one
            for each in study.criteria
            for name in readers
            for one in _repeated(study, each.name, pairs, given, name)
        ),
    )


def repeated(shown: Sequence[StudyImage]) -> dict[str, str]:
    """Find which images repeat which: codes of these by codes of those."""
    first: dict[tuple[str, str], str] = {}
    codes = ((one.code, first.setdefault((one.scan, one.recipe), one.code)) for one in shown)
    return {code: before for code, before in codes if code != before}


def _repeated(
    study: Study, criterion: str, pairs: Mapping[str, str], given: Given, reader: str
) -> Iterator[Repeatability]:
    scores = {code: by_reader[reader] for code, by_reader in given.get(criterion, {}).items() if reader in by_reader}
    both = [(scores[before], scores[code]) for code, before in pairs.items() if code in scores and before in scores]
    if both:
        first, second = zip(*both, strict=True)
        yield Repeatability(
            criterion=criterion,
            reader=reader,
            n_images=len(both),
            same=float(np.mean([one == other for one, other in both])),
            kappa=weighted_kappa(first, second, study.points),
        )


def _recipes(images: Sequence[StudyImage]) -> list[str]:
    return sorted({one.recipe for one in images})


def _summed(study: Study, criterion: str, images: Sequence[StudyImage], given: Given) -> Iterator[Summary]:
    for recipe in _recipes(images):
        codes = [one.code for one in images if one.recipe == recipe]
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
            counts=tuple(scores.count(point) for point in range(1, study.points + 1)),
        )


def _compared(criterion: str, images: Sequence[StudyImage], given: Given) -> Iterator[Comparison]:
    means: dict[str, dict[str, float]] = defaultdict(dict)
    for one in images:
        if scores := given.get(criterion, {}).get(one.code):
            means[one.recipe][one.scan] = float(np.mean(list(scores.values())))
    for first, second in combinations(_recipes(images), 2):
        both = sorted(means[first].keys() & means[second].keys())
        if not both:
            continue
        apart = [means[first][scan] - means[second][scan] for scan in both]
        yield Comparison(
            criterion=criterion,
            first=first,
            second=second,
            n_scans=len(both),
            difference=float(np.mean(apart)),
            p=signed_rank(apart),
            p_adjusted=1.0,
        )


def _agreed(
    study: Study, criterion: str, images: Sequence[StudyImage], given: Given, readers: Sequence[str]
) -> Agreement:
    scores = {one.code: given.get(criterion, {}).get(one.code, {}) for one in images}
    units = [scores_of for scores_of in by_image(scores, readers) if len(scores_of) >= TWO]
    kappa = None
    if len(readers) == TWO and units:
        first, second = zip(*units, strict=True)
        kappa = weighted_kappa(first, second, study.points)
    return Agreement(
        criterion=criterion,
        n_readers=len(readers),
        n_images=len(units),
        alpha=krippendorff_alpha(units, study.points),
        kappa=kappa,
    )
