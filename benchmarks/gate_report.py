"""What the gate catches, as a page: limits from other heads, large faults, false alarms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from gateway.model.gate import Check

Row = Mapping[str, Any]
MARGIN = 1.1
"""Above the largest value of clean images of other heads."""
FIXED = {Check.ORIENTATION: 1.0, Check.GHOSTING: 0.05}
"""Limits that follow from what the check means."""
CHECKS = tuple(check for check in Check if check not in (Check.RANGE, Check.UNCERTAINTY))
LARGE = 3.0
"""Standard deviations from which on a fault should be caught."""
DEPENDENT = Check.HELD_OUT
"""Its value grows with how hard a scan is to unfold, so limits from other coils do not hold."""

PAGE = """\
# The quality gate, measured

Written by `python -m benchmarks.quality_gate report`. Faults are planted into two real heads (16 coils at 96 x 96,
4 coils at 128 x 128), to which noise was added until the patient was only {snrs} times as bright, thinned in
{n_patterns} patterns (one line in 3 and in 4, variable density) and reconstructed by {recipes} in the
place of a network. **Limits come from other heads only**: the largest value among clean images of six synthetic heads
and of the other real one, times {margin:g}; those of mirroring and ghosts are fixed. Size is how far a fault changed
the image where it did most, in standard deviations of the noise of the conventional image.

| | all checks | without `held-out` |
|---|---|---|
| false alarms, of {n_clean} clean images | {alarms} | {alarms_without} |
| faults of 3 SD and more caught, of {n_large} | {caught} | {caught_without} |

The aim was 95 % at 5 %. Even without one false alarm in so few clean images their share could be {alarm_error}.

## By fault

| fault | cases | size | caught | without `held-out` | by which checks (cases) |
|---|---|---|---|---|---|
{faults}

## By check

Area under the ROC curve, over all faults of 3 SD and more against the clean images of the same heads; and how many of
these each check catches with its limit from other heads.

| check | area | caught | false alarms |
|---|---|---|---|
{checks}

## What is not caught

{missed}

Motion that turns the phase of one half of k-space is what another patient would have given: coils see nothing wrong
with it. Slow drifts of coils stay within what is allowed for. Limits from one number of coils do not hold for another:
most false alarms are scans of 4 coils at one line in 4.

## What it costs

{cost:.1f} times the reconstruction of one image by the same recipe, median over clean images on a loaded machine, with
the two more reconstructions of `held-out` and `response`. These are made for one image of a scan; each check's seconds
are on the job.
"""


def limits_for(row: Row, rows: Sequence[Row]) -> dict[Check, float]:
    """Take the limits for a head from the clean images of all other families."""
    others = [
        one for one in rows if not one["fault"] and one["family"] != row["family"] and one["recipe"] == row["recipe"]
    ]
    found: dict[Check, float] = {}
    for check in CHECKS:
        values = [one["values"][check.value] for one in others if check.value in one["values"]]
        found[check] = FIXED.get(check, MARGIN * max(values, default=np.inf))
    return found


def caught_by(row: Row, limits: Mapping[Check, float]) -> set[str]:
    """List the checks that a case does not pass; a scan that was refused is caught, too."""
    over = {check.value for check in CHECKS if row["values"].get(check.value, 0.0) > limits[check]}
    return over | ({"refused"} if row["refused"] else set())


def report(rows: Sequence[Row]) -> str:
    """Write the page."""
    shown = [row for row in rows if row["family"] != "synthetic"]
    judged = [(row, caught_by(row, limits_for(row, rows))) for row in shown]
    clean = [(row, hits) for row, hits in judged if not row["fault"]]
    large = [(row, hits) for row, hits in judged if row["fault"] and row["size"] >= LARGE]
    bare = {DEPENDENT.value}
    return PAGE.format(
        snrs=" or ".join(sorted({row["head"].rpartition(" ")[2] for row, _ in clean})),
        n_patterns=len({row["pattern"] for row, _ in clean}),
        recipes=" and ".join(f"`{name}`" for name in sorted({row["recipe"] for row, _ in clean})),
        margin=MARGIN,
        n_clean=len(clean),
        n_large=len(large),
        alarms=_share([bool(hits) for _, hits in clean]),
        alarms_without=_share([bool(hits - bare) for _, hits in clean]),
        caught=_share([bool(hits) for _, hits in large]),
        caught_without=_share([bool(hits - bare) for _, hits in large]),
        alarm_error=f"{100 * (1 - 0.05 ** (1 / max(1, len(clean)))):.0f} %",
        faults="\n".join(_faults(judged)),
        checks="\n".join(_checks(clean, large)),
        missed="\n".join(_missed(large)),
        cost=float(np.median([row["gate_s"] / row["made_s"] for row, _ in clean])),
    )


def _share(hits: Sequence[bool]) -> str:
    return f"{100 * float(np.mean(hits)):.0f} %" if hits else "-"


def _faults(judged: Sequence[tuple[Row, set[str]]]) -> Iterator[str]:
    for fault in dict.fromkeys(row["fault"] for row, _ in judged if row["fault"]):
        some = [(row, hits) for row, hits in judged if row["fault"] == fault]
        sizes = [row["size"] for row, _ in some if not row["refused"]] or [0.0]
        counts = {
            check: sum(check in hits for _, hits in some) for check in [*(one.value for one in CHECKS), "refused"]
        }
        by = ", ".join(f"{check} {n}" for check, n in sorted(counts.items(), key=lambda one: -one[1]) if n)
        size = f"{min(sizes):.0f}" if min(sizes) == max(sizes) else f"{min(sizes):.1f} to {max(sizes):.1f}"
        without = _share([bool(hits - {DEPENDENT.value}) for _, hits in some])
        yield f"| {fault} | {len(some)} | {size} | {_share([bool(hits) for _, hits in some])} | {without} | {by} |"


def _checks(clean: Sequence[tuple[Row, set[str]]], large: Sequence[tuple[Row, set[str]]]) -> Iterator[str]:
    for check in CHECKS:
        name = check.value
        negative = np.array([row["values"].get(name, 0.0) for row, _ in clean])
        positive = np.array([row["values"].get(name, 0.0) for row, _ in large if not row["refused"]])
        above = (positive[:, None] > negative).mean() + (positive[:, None] == negative).mean() / 2
        hits, alarms = (_share([name in found for _, found in some]) for some in (large, clean))
        yield f"| `{name}` | {above:.2f} | {hits} | {alarms} |"


def _missed(large: Sequence[tuple[Row, set[str]]]) -> Iterator[str]:
    lost = [row for row, hits in large if not hits]
    for fault in dict.fromkeys(row["fault"] for row in lost):
        sizes = [row["size"] for row in lost if row["fault"] == fault]
        n = sum(row["fault"] == fault for row, _ in large)
        yield f"- {fault}: {len(sizes)} of {n}, the largest of {max(sizes):.0f} SD."
