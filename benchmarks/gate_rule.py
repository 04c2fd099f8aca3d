"""The joint rule of the gate, calibrated on clean images of some scans and held against others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gateway.model.card import Saw
from gateway.model.gate import Check
from gateway.model.match import Range
from gateway.quality.familiarity import familiarity

Row = Mapping[str, Any]
Values = npt.NDArray[np.float64]

FIXED = {Check.ORIENTATION: 1.0, Check.GHOSTING: 0.05, Check.HALVES: 0.7, Check.SAMPLING: 1.2, Check.RANGE: 1.0}
"""Limits that follow from what the check means; that of the halves was set after both real heads had been seen."""
JOINED = (Check.CONSISTENCY, Check.STRUCTURE, Check.DETAIL, Check.LINES, Check.COILS, Check.AGREEMENT)
"""Checks whose limits are found together."""
CHECKS = (*JOINED, *FIXED)
HALVES_OF_SCANS = (
    frozenset({"brain_16ch_full", "T1 head, Chris"}),
    frozenset({"brain_4ch_full", "T1 head, Colin"}),
)
"""Families of scans; synthetic heads are shared out by their numbers."""
LEAST_SPREAD = 0.05
"""Of the logarithm of a value: what varies less is taken to vary so much."""
FALSE_ALARMS = 0.02
"""Of the images that limits are found from: fewer than is aimed at, since other scans exceed limits more often."""
SMALLEST = 1e-3
WIDER = 2**0.5
"""A card's ranges, over what was seen: a scan of half or twice the time is still like it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Limits of all checks that together raise so many false alarms where they were found.

    Each value counts by how many standard deviations of clean images its logarithm lies above their median, and all
    together by the root of the sum of their squares, as `gateway.quality.joint` does it.
    """

    middle: Values
    spread: Values
    threshold: float
    saw: Saw
    """What a card would say of the scans that limits are found from."""

    @classmethod
    def found_from(cls, clean: Sequence[Row], false_alarms: float = FALSE_ALARMS) -> Rule:
        """Find the limits."""
        logs = np.array([_logs(row) for row in clean])
        middle = np.nanmedian(logs, axis=0)
        spread = np.maximum(np.nanstd(logs, axis=0), LEAST_SPREAD)
        together = [_together((each - middle) / spread) for each in logs]
        return cls(
            middle=middle,
            spread=spread,
            threshold=float(np.quantile(together, 1 - false_alarms)),
            saw=_seen_in(clean),
        )

    @property
    def limits(self) -> dict[Check, float]:
        """From where on one check alone is an alarm."""
        ends = np.exp(self.middle + self.threshold * self.spread)
        return {**dict(zip(JOINED, ends.tolist(), strict=True)), **FIXED}

    def judge(self, row: Row) -> Judged:
        """Say how far each value, and all together, lie above their limits; above 0 is an alarm."""
        heights = (_logs(row) - self.middle) / self.spread
        found = {
            check: float(height - self.threshold)
            for check, height in zip(JOINED, heights, strict=True)
            if np.isfinite(height)
        }
        beside = {Check.RANGE: familiarity(self.saw, row["saw"]).value}
        for check, limit in FIXED.items():
            value = row["values"].get(check.value, beside.get(check))
            if value is not None:
                found[check] = float(np.log(max(value, SMALLEST) / limit) / LEAST_SPREAD)
        return Judged(row=row, scores=found, together=_together(heights) - self.threshold)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A case, and how far each check, and all of them together, lie above their limits."""

    row: Row
    scores: Mapping[Check, float]
    together: float

    @property
    def joint(self) -> float:
        """The farthest; what the reconstruction refused was caught."""
        return np.inf if self.row["refused"] else max(self.together, *self.scores.values())

    @property
    def caught(self) -> bool:
        """Whether there is an alarm."""
        return self.joint > 0

    @property
    def by(self) -> list[str]:
        """Name the checks that raise one by themselves; where none does, that they do it together."""
        if self.row["refused"]:
            return ["refused"]
        alone = [check.value for check, score in self.scores.items() if score > 0]
        return alone or (["together alone"] if self.caught else [])


def half_of(row: Row) -> int | None:
    """Say to which half of the scans a case belongs; None for anatomies that no limits come from."""
    if row["family"] == "synthetic":
        return int(row["head"].split()[1].strip(",")) % 2
    return next((number for number, half in enumerate(HALVES_OF_SCANS) if row["family"] in half), None)


def judged(rows: Sequence[Row]) -> Iterator[Judged]:
    """Judge each half by limits from the other one, and other anatomies by limits from both; recipe by recipe."""
    for recipe in sorted({row["recipe"] for row in rows}):
        mine = [row for row in rows if row["recipe"] == recipe]
        for half in (0, 1, None):
            rule = Rule.found_from([row for row in mine if not row["fault"] and _calibrates(row, half)])
            yield from (rule.judge(row) for row in mine if half_of(row) == half)


def shipped_rule(rows: Sequence[Row]) -> Rule:
    """Find limits from all heads and recipes at once: those that ship."""
    return Rule.found_from([row for row in rows if not row["fault"] and half_of(row) is not None])


def _calibrates(row: Row, half: int | None) -> bool:
    return half_of(row) is not None and half_of(row) != half


def _seen_in(clean: Sequence[Row]) -> Saw:
    """Write the part of a card that tells of scans: of the middle nine tenths of them, made wider."""
    ranges = {}
    for name in Saw.model_fields:
        low, high = np.quantile([row["saw"][name] for row in clean], [0.05, 0.95]).tolist()
        ranges[name] = Range(at_least=low / WIDER, at_most=high * WIDER)
    return Saw(**ranges)


def _logs(row: Row) -> Values:
    values = [row["values"].get(check.value, np.nan) for check in JOINED]
    return np.log(np.maximum(np.array(values, np.float64), SMALLEST))


def _together(heights: Values) -> float:
    return float(np.sqrt(np.nansum(np.maximum(heights, 0) ** 2)))


def roc(clean: Sequence[float], faulty: Sequence[float]) -> tuple[Values, Values, float]:
    """Give the share of false alarms and of faults caught for every threshold, and the area below the curve."""
    ends = np.unique(np.concatenate([clean, faulty]))[::-1]
    false = np.concatenate([[0.0], [(np.asarray(clean) >= end).mean() for end in ends]])
    caught = np.concatenate([[0.0], [(np.asarray(faulty) >= end).mean() for end in ends]])
    return false, caught, float(np.trapezoid(caught, false))
