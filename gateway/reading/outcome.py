"""What a study found, in tables: recipes by their scores or in pairs, and how far the readers agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from gateway.model.reading import Design, Study
from gateway.reading.cases import Case, Given, turned
from gateway.reading.concord import Agreement, Repeatability, agreed, repeated
from gateway.reading.paired import holm
from gateway.reading.preference import Preference, Side, preferred, sided
from gateway.reading.scores import Comparison, Summary, compared, summed

Tested = TypeVar("Tested", Comparison, Preference)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a study found, of the readers who have finished."""

    readers: tuple[str, ...]
    summaries: tuple[Summary, ...]
    comparisons: tuple[Comparison, ...]
    preferences: tuple[Preference, ...]
    """Of pairs, in the place of these two."""
    agreements: tuple[Agreement, ...]
    repeatability: tuple[Repeatability, ...]
    sides: tuple[Side, ...]
    """Of pairs."""


def outcome_of(study: Study, cases: Sequence[Case], given: Given, readers: Sequence[str]) -> Outcome:
    """Make the tables of a study from what these readers gave; of what was shown twice, the first counts."""
    names, once = [one.name for one in study.criteria], [one for one in cases if not one.repeats]
    points = study.points
    pairs = study.design is Design.PAIRS
    sides = {reader: turned(study.seed, reader, cases) for reader in readers} if pairs else {}
    return Outcome(
        readers=tuple(readers),
        summaries=() if pairs else tuple(one for name in names for one in summed(name, points, once, given)),
        comparisons=() if pairs else _adjusted([one for name in names for one in compared(name, once, given)]),
        preferences=_adjusted([one for name in names for one in preferred(name, points, once, given)]),
        agreements=tuple(agreed(name, points, once, given, readers) for name in names) if readers else (),
        repeatability=tuple(one for name in names for one in repeated(name, points, cases, given, readers)),
        sides=tuple(sided(points, given, sides)),
    )


def _adjusted(found: Sequence[Tested]) -> tuple[Tested, ...]:
    return tuple(replace(one, p_adjusted=p) for one, p in zip(found, holm([one.p for one in found]), strict=True))
