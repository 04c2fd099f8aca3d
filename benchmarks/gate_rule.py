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

FIXED = {
    Check.ORIENTATION: 1.0,
    Check.GHOSTING: 0.05,
    Check.HALVES: 0.7,
    Check.SAMPLING: 1.2,
    Check.CLIPPING: 4.0,
    Check.RANGE: 1.0,
}
"""Limits that follow from what the check means; that of the halves was set after both real heads had been seen."""
JOINED = (Check.CONSISTENCY, Check.STRUCTURE, Check.DETAIL, Check.LINES, Check.COILS, Check.AGREEMENT)
"""Checks whose limits are found together."""
CHECKS = (*JOINED, *FIXED)
HEADS = frozenset({"brain_16ch_full", "T1 head, Chris", "brain_4ch_full", "T1 head, Colin", "synthetic"})
"""Families of scans that limits are found from."""
LEAST_SPREAD = 0.05
"""Of the logarithm of a value: what varies less is taken to vary so much."""
FALSE_ALARMS = 0.01
"""Of the images that limits are found from: fewer than is aimed at, since other scans exceed limits more often."""
BEYOND = 1.25
"""Times the largest value of any clean image: more is an alarm, however widely clean images spread below it."""
KEPT = 4
"""The lot that gives no limits: it is what they are held to."""
LARGE = 3.0
"""Standard deviations from which on a fault should be caught."""
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
    ends: Values
    """Logarithms from where on one check alone is an alarm."""
    threshold: float
    saw: Saw
    """What a card would say of the scans that limits are found from."""

    @classmethod
    def found_from(cls, clean: Sequence[Row], false_alarms: float = FALSE_ALARMS) -> Rule:
        """Find the limits."""
        logs = np.array([_logs(row) for row in clean])
        middle = np.nanmedian(logs, axis=0)
        spread = np.maximum(np.nanstd(logs, axis=0), LEAST_SPREAD)
        threshold = float(np.quantile([_together((each - middle) / spread) for each in logs], 1 - false_alarms))
        return cls(
            middle=middle,
            spread=spread,
            ends=np.minimum(middle + threshold * spread, np.nanmax(logs, axis=0) + np.log(BEYOND)),
            threshold=threshold,
            saw=_seen_in(clean),
        )

    @property
    def limits(self) -> dict[Check, float]:
        """From where on one check alone is an alarm."""
        return {**dict(zip(JOINED, np.exp(self.ends).tolist(), strict=True)), **FIXED}

    def judge(self, row: Row) -> Judged:
        """Say how far each value, and all together, lie above their limits; above 0 is an alarm."""
        logs = _logs(row)
        above = (logs - self.ends) / self.spread
        found = {check: float(height) for check, height in zip(JOINED, above, strict=True) if np.isfinite(height)}
        beside = {Check.RANGE: familiarity(self.saw, row["saw"]).value}
        for check, limit in FIXED.items():
            value = row["values"].get(check.value, beside.get(check))
            if value is not None:
                found[check] = float(np.log(max(value, SMALLEST) / limit) / LEAST_SPREAD)
        return Judged(row=row, scores=found, together=_together((logs - self.middle) / self.spread) - self.threshold)


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


def head_of(row: Row) -> str | None:
    """Say of which head a case is, whose images never give it limits; None for anatomies that no limits come from."""
    if row["family"] not in HEADS:
        return None
    return str(row["head"]).split(",")[0] if row["family"] == "synthetic" else str(row["family"])


def judged(rows: Sequence[Row]) -> Iterator[Judged]:
    """Judge each head by limits from all others, and other anatomies by limits from all; recipe by recipe."""
    for recipe in sorted({row["recipe"] for row in rows}):
        mine = [row for row in rows if row["recipe"] == recipe]
        for head in dict.fromkeys(map(head_of, mine)):
            rule = Rule.found_from([row for row in mine if _calibrates(row) and head_of(row) != head])
            yield from (rule.judge(row) for row in mine if head_of(row) == head)


def shipped_rule(rows: Sequence[Row]) -> Rule:
    """Find limits from all heads and recipes at once: those that ship."""
    return Rule.found_from([row for row in rows if _calibrates(row)])


def _calibrates(row: Row) -> bool:
    """Say whether limits are found from a case: a clean head, none of those that are kept to hold limits to."""
    return not row["fault"] and head_of(row) is not None and row["lot"] < KEPT and right(row)


def right(row: Row) -> bool:
    """Say whether an image into which nothing was planted is as that of all lines, by the measure of large faults."""
    return bool(row["own"] < LARGE)


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


def wilson(n_hits: int, n: int) -> tuple[float, float]:
    """Give the interval that holds a share with 95 % (Wilson 1927, doi:10.1080/01621459.1927.10502953)."""
    if n == 0:
        return 0.0, 1.0
    z, share = 1.96, n_hits / n
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * (share * (1 - share) / n + z**2 / (4 * n**2)) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)
