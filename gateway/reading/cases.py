"""What is put before a reader at a time: an image, or two of the same scan, of which chance says which stands left."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from gateway.model.ids import RecordingId
from gateway.model.reading import Design, Study, StudyImage
from gateway.reading.order import blind_order

REPEATED = "\0repeated"
"""Stands for a reader where it is drawn which are shown twice; nobody can have the name."""
CODE_LENGTH = 32
Given = Mapping[str, Mapping[str, Mapping[str, int]]]
"""Scores by criterion, code of the case, and reader."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An image, or a pair of images, that is scored by itself."""

    code: str
    first: StudyImage
    second: StudyImage | None = None
    repeats: str = ""
    """Code of the case that it is once more; then it counts for the agreement of readers with themselves alone."""

    @property
    def scan(self) -> RecordingId:
        """Which scan is seen."""
        return self.first.scan

    @property
    def recipes(self) -> str:
        """Which recipe is seen, or which two."""
        return self.first.recipe if self.second is None else f"{self.first.recipe}\0{self.second.recipe}"


def cases_of(study: Study, shown: Sequence[StudyImage]) -> list[Case]:
    """List the cases of a study.

    Nothing is drawn here that the seed and the random codes of the images do not say, so that nothing else is kept.

    Parameters
    ----------
    shown
        Its images, in the order of the study.
    """
    return _images(shown) if study.design is Design.SCORES else _pairs(study, shown)


def _images(shown: Sequence[StudyImage]) -> list[Case]:
    first: dict[tuple[str, str], str] = {}
    codes = [(one, first.setdefault((one.scan, one.recipe), one.code)) for one in shown]
    return [Case(code=one.code, first=one, repeats="" if one.code == before else before) for one, before in codes]


def _pairs(study: Study, shown: Sequence[StudyImage]) -> list[Case]:
    ordered = sorted(shown, key=lambda one: (one.scan, one.recipe))
    pairs = [
        Case(code=_code(study.seed, first.code, second.code), first=first, second=second)
        for first, second in combinations(ordered, 2)
        if first.scan == second.scan
    ]
    by_code = {one.code: one for one in pairs}
    again = blind_order(study.seed, REPEATED, [(one.code, one.scan, one.recipes) for one in pairs])[: study.repeats]
    twice = (by_code[code] for code in again)
    return pairs + [
        Case(code=_code(study.seed, one.code, "again"), first=one.first, second=one.second, repeats=one.code)
        for one in twice
    ]


def _code(*parts: str) -> str:
    return hashlib.sha256("\0".join(("pair", *parts)).encode()).hexdigest()[:CODE_LENGTH]


def turned(seed: str, reader: str, cases: Sequence[Case]) -> frozenset[str]:
    """Say of which pairs a reader sees the second image on the left.

    Of every two recipes each stands on the left as often as the other, but for one; what is shown once more stands the
    other way round, so that who always likes what is on the left is found out.

    Returns
    -------
        Their codes.
    """
    found: set[str] = set()
    for same in _by_recipes(one for one in cases if not one.repeats).values():
        drawn = sorted(same, key=lambda one: _code(seed, reader, "side", one.code))
        odd = int(_code(seed, reader, "odd", *sorted(one.code for one in same)), 16) % 2
        found |= {one.code for one in drawn[odd::2]}
    return frozenset(found | {one.code for one in cases if one.repeats and one.repeats not in found})


def _by_recipes(cases: Iterator[Case]) -> Mapping[str, list[Case]]:
    found: dict[str, list[Case]] = {}
    for one in cases:
        found.setdefault(one.recipes, []).append(one)
    return found
