"""What the gate catches, as a page with curves: limits from some heads, held against the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks.gate_rule import (
    BEYOND,
    CHECKS,
    FALSE_ALARMS,
    JOINED,
    KEPT,
    LARGE,
    Judged,
    Row,
    Rule,
    head_of,
    judged,
    right,
    roc,
    shipped_rule,
    wilson,
)
from gateway.model.gate import Check

AIM, FEW = 0.95, 0.05
"""Of the large faults, and of clean images."""
SIDE, GAP = 150, 34
"""Of a drawing."""

PAGE = """\
# The quality gate, measured

Written by `python -m benchmarks.quality_gate`. Faults are planted into two real heads (16 coils at 96 x 96, 4 coils at
128 x 128) and into the T1 heads Chris and Colin (measured by eight computed coils), to which noise was added until the
patient was only 30 or 60 times as bright, thinned in {n_patterns} patterns (one line in 3 and in 4, variable density)
and reconstructed by {recipes} in the place of a network.

**Limits come from other heads only.** Each head (16 coils, 4 coils, Chris, Colin, each phantom) is judged by limits
from clean images of all the others and the same recipe. Each value counts by how many standard deviations of clean
images its logarithm lies above their median, all together by the root of the sum of squares (the check `together`),
with one threshold, which {alarm:.0%} of those clean images exceed. One check alone is an alarm from that threshold on,
or from {beyond:g} times its largest value of those images on. Limits of `orientation`, `ghosting`, `halves` and
`sampling` are fixed. `range` is held to the card that the scans which limits come from would make: brightness over
noise, contrast and filling of their middle nine tenths, wider by the root of 2. Headers tell how many lines each
pattern leaves out. `held-out` and `response` reconstruct again and are left out here, as they are for most single
images. Size is how far a fault changed the image where it did most, in standard deviations of the noise of the
conventional image.

**Five lots of scans.** Statistics, ways of joining and fixed limits were chosen on the first, that share and that
factor on the first four, so that their figures flatter. Each lot has other noise on the real heads, other slices of
Chris and Colin by other coils, other phantoms, and other draws of lines. With limits from the first alone 8 of 96
images of the second raised alarms, with limits from both 14 of 96 of the third, for lines that are drawn at random
leave other gaps each time. Limits come from the first four now, from images that are right (see below). The fifth,
three times as large, was drawn after wavelets had two vanishing moments, and judged once after all was settled: it
gives no limits, and nothing was changed after it was seen. Faults are planted into the last three. The four anatomies
are the same.

| | first lot | second | third | fourth | fifth, kept apart |
|---|---|---|---|---|---|
{lots}

Nothing was planted into an image, and yet it may be wrong: lines that are drawn at random leave gaps of up to 15 lines,
over which a method has to guess. The largest structure of the shape of those that are planted, by which it differs from
the conventional image of all lines, tells: noise makes up to about 2 standard deviations of that. Images that differ by
3 and more are wrong by the measure of the faults themselves, and an alarm on them is right.

In brackets the interval that holds each share with 95 % (Wilson 1927, doi:10.1080/01621459.1927.10502953), as if
images were independent, which those of one scan are not. The aim was 95 % of faults at 5 % false alarms.
{verdict}

![ROC curves](quality-gate-roc.svg)

## By fault

| fault | cases | size | caught | of 3 SD and more | by which checks (cases) |
|---|---|---|---|---|---|
{faults}

## By check

Area under the ROC curve over all faults of 3 SD and more, how many of these each check catches alone, and its false
alarms.

| check | area | caught | false alarms |
|---|---|---|---|
{checks}

## False alarms

{false}

Anatomies that no limits come from, judged by limits from all heads:

{foreign}

Out of range is what a card of those heads says of the scan: not calibrated for this. Where other alarms are raised,
too, limits of heads do not hold: a site finds its own, from clean scans of its own, before it believes an alarm.

## What is not caught

{missed}

Structures below 3 SD are caught as often as the table says. Motion that all lines share, a wrong patient and a wrong
contrast are in both images alike, and nothing here sees them. More noise is a legal scan: the card of a model (`range`)
has to know it. So is more acceleration than was asked for, which only the header tells apart (`sampling`); where that
says nothing, nobody does but the card. Coils that drift slowly are seen only where the drift is large beside what
sensitivities leave unexplained.

## Limits

From the clean images of all heads and both recipes at once: the middle and the spread of the logarithm of each value,
by which `together` counts them (`gateway/quality/joint.py`), and from where on one check alone exceeds the threshold
of `together`, which is {threshold:.2f}, or {beyond:g} times the largest of these images. The limits that ship for
single checks (`gateway/quality/meanings.py`) lie at about the largest value of any clean head here.

| check | middle | spread | alone above |
|---|---|---|---|
{limits}

## What it costs

Seconds of one core for one image, without reconstructing again, over those of its reconstruction; median over clean
images, on a loaded machine: {cost}. Most of it is the conventional image that everything is held against. The
aim was 0.5, for which recipes as quick as these leave no room on one slice and one core.
"""


def report(rows: Sequence[Row]) -> tuple[str, str]:
    """Write the page, and its curves as SVG."""
    everything = list(judged(rows))
    heads = [one for one in everything if head_of(one.row) is not None]
    foreign = [one for one in everything if head_of(one.row) is None]
    clean, large, _ = _sorted(heads)
    lots = [_sorted([one for one in heads if one.row["lot"] == lot]) for lot in range(KEPT + 1)]
    recipes = sorted({one.row["recipe"] for one in clean})
    page = PAGE.format(
        n_patterns=len({one.row["pattern"] for one in clean}),
        recipes=" and ".join(f"`{name}`" for name in recipes),
        alarm=FALSE_ALARMS,
        beyond=BEYOND,
        lots="\n".join(_lots(lots)),
        verdict=_verdict(lots[KEPT]),
        faults="\n".join(_faults(heads)),
        checks="\n".join(_checks(clean, large)),
        false="\n".join(_false(clean)) or "There are none.",
        foreign="\n".join(_foreign(foreign)),
        missed="\n".join(_missed(large)) or "Nothing of 3 SD and more.",
        threshold=shipped_rule(rows).threshold,
        limits="\n".join(_limits(shipped_rule(rows))),
        cost=", ".join(f"{name} {_cost(clean, name):.2f}" for name in recipes),
    )
    return page, drawn(clean, large)


def _sorted(some: Sequence[Judged]) -> tuple[list[Judged], list[Judged], list[Judged]]:
    """Part the clean images, the large faults and the small ones."""
    faults = [one for one in some if one.row["fault"]]
    return (
        [one for one in some if not one.row["fault"]],
        [one for one in faults if one.row["size"] >= LARGE],
        [one for one in faults if one.row["size"] < LARGE],
    )


def _lots(lots: Sequence[Sequence[Sequence[Judged]]]) -> Iterator[str]:
    clean, large, small = zip(*lots, strict=True)
    good = [[one for one in some if right(one.row)] for some in clean]
    rows = {
        "alarms, of images into which nothing was planted": clean,
        "of these, false alarms: of images that are right to 3 SD": good,
        "faults of 3 SD and more caught": large,
        "faults below 3 SD caught": small,
    }
    for word, each in rows.items():
        yield f"| {word} | {' | '.join(map(_interval, each))} |"


def _interval(some: Sequence[Judged]) -> str:
    n = sum(one.caught for one in some)
    low, high = wilson(n, len(some))
    return f"{n} of {len(some)}: {100 * n / len(some):.1f} % ({100 * low:.1f} to {100 * high:.1f})" if some else "-"


def _share(some: Sequence[Judged]) -> str:
    return f"{100 * float(np.mean([one.caught for one in some])):.0f} %" if some else "-"


def _cost(clean: Sequence[Judged], recipe: str) -> float:
    mine = [one.row for one in clean if one.row["recipe"] == recipe and one.row["made_s"]]
    return float(np.median([row["gate_s"] / row["made_s"] for row in mine])) if mine else float("nan")


def _faults(heads: Sequence[Judged]) -> Iterator[str]:
    for fault in dict.fromkeys(one.row["fault"] for one in heads if one.row["fault"]):
        some = [one for one in heads if one.row["fault"] == fault]
        large = [one for one in some if one.row["size"] >= LARGE]
        sizes = [one.row["size"] for one in some if not one.row["refused"]] or [0.0]
        size = f"{min(sizes):.0f}" if min(sizes) == max(sizes) else f"{min(sizes):.1f} to {max(sizes):.1f}"
        by = ", ".join(f"{check} {n}" for check, n in Counter(name for one in some for name in one.by).most_common())
        of_large = f"{_share(large)} of {len(large)}" if large else "-"
        yield f"| {fault} | {len(some)} | {size} | {_share(some)} | {of_large} | {by} |"


def _checks(clean: Sequence[Judged], large: Sequence[Judged]) -> Iterator[str]:
    for check in CHECKS:
        *_, area = roc(_scores(clean, check), _scores(large, check))
        hits, alarms = (f"{100 * np.mean([check.value in one.by for one in some]):.0f} %" for some in (large, clean))
        yield f"| `{check.value}` | {area:.2f} | {hits} | {alarms} |"


def _scores(some: Sequence[Judged], check: Check) -> list[float]:
    return [one.scores.get(check, -99.0) for one in some if not one.row["refused"]]


def _false(clean: Sequence[Judged]) -> Iterator[str]:
    counted = Counter((one.row["family"], one.row["recipe"], name) for one in clean for name in one.by)
    for (family, recipe, name), n in counted.most_common():
        of = sum(one.row["family"] == family and one.row["recipe"] == recipe for one in clean)
        yield f"- {family}, {recipe}: `{name}` in {n} of {of}."


def _foreign(some: Sequence[Judged]) -> Iterator[str]:
    for family in dict.fromkeys(one.row["family"] for one in some):
        clean = [one for one in some if one.row["family"] == family and not one.row["fault"]]
        large = [one for one in some if one.row["family"] == family and one.row["fault"] and one.row["size"] >= LARGE]
        out = [one for one in clean if Check.RANGE.value in one.by]
        other = [one for one in clean if set(one.by) - {Check.RANGE.value}]
        by = ", ".join(
            f"{check} {n}"
            for check, n in Counter(name for one in other for name in set(one.by) - {"range"}).most_common()
        )
        yield (
            f"- {family}: of {len(clean)} clean images {100 * len(out) / len(clean):.0f} % are out of range, "
            f"{100 * len(other) / len(clean):.0f} % raise other alarms ({by or 'none'}); "
            f"{_share(large)} of {len(large)} faults."
        )


def _missed(large: Sequence[Judged]) -> Iterator[str]:
    lost = [one.row for one in large if not one.caught]
    for fault in dict.fromkeys(row["fault"] for row in lost):
        sizes = [row["size"] for row in lost if row["fault"] == fault]
        n = sum(one.row["fault"] == fault for one in large)
        yield f"- {fault}: {len(sizes)} of {n}, the largest of {max(sizes):.0f} SD."


def _limits(rule: Rule) -> Iterator[str]:
    alone = rule.limits
    for check, middle, spread in zip(JOINED, rule.middle, rule.spread, strict=True):
        yield f"| `{check.value}` | {middle:.3f} | {spread:.3f} | {alone[check]:.3g} |"


def _verdict(lot: Sequence[Sequence[Judged]]) -> str:
    clean, large, _ = lot
    clean = [one for one in clean if right(one.row)]
    (found, least, _), (alarms, _, most) = (
        (hits / len(some), *wilson(hits, len(some)))
        for some, hits in ((some, sum(one.caught for one in some)) for some in (large, clean))
    )
    by_share = [name for name, holds in (("faults", found >= AIM), ("false alarms", alarms <= FEW)) if holds]
    by_interval = [name for name, holds in (("faults", least >= AIM), ("false alarms", most <= FEW)) if holds]
    shares, ends = (" and ".join(held) or "neither" for held in (by_share, by_interval))
    return f"Reached on the lot that was kept apart: {shares}; with the whole interval: {ends}."


def drawn(clean: Sequence[Judged], large: Sequence[Judged]) -> str:
    """Draw a curve for all checks together, and one for each."""
    scores = {"all together": ([one.joint for one in clean], [min(one.joint, 99.0) for one in large])}
    scores |= {check.value: (_scores(clean, check), _scores(large, check)) for check in CHECKS}
    columns = 3
    height = -(-len(scores) // columns) * (SIDE + GAP) + 20
    parts = [
        _curve(name, *both, left=40 + (number % columns) * (SIDE + GAP + 10), top=20 + number // columns * (SIDE + GAP))
        for number, (name, both) in enumerate(scores.items())
    ]
    width = columns * (SIDE + GAP + 10) + 30
    style = (
        "<style>text{font:11px system-ui,sans-serif;fill:#52626d}.t{font-weight:600;fill:#14212a}"
        ".f{fill:#fff;stroke:#d8e0e4}.c{fill:none;stroke:#0b6076;stroke-width:2}"
        ".a{stroke:#ab1f18;stroke-dasharray:3 3}</style>"
    )
    told = "ROC curves: faults of 3 SD and more that are caught, over false alarms"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img" '
        f'aria-label="{told}"><title>{told}</title>{style}<rect width="{width}" height="{height}" fill="#fff"/>'
        f"{''.join(parts)}</svg>\n"
    )


def _curve(name: str, clean: Sequence[float], faulty: Sequence[float], *, left: float, top: float) -> str:
    false, caught, area = roc(clean, faulty)
    points = " ".join(f"{left + SIDE * x:.1f},{top + SIDE * (1 - y):.1f}" for x, y in zip(false, caught, strict=True))
    at = left + SIDE * 0.05
    return (
        f'<rect class="f" x="{left}" y="{top}" width="{SIDE}" height="{SIDE}"/>'
        f'<line class="a" x1="{at}" x2="{at}" y1="{top}" y2="{top + SIDE}"/>'
        f'<polyline class="c" points="{points}"/>'
        f'<text class="t" x="{left}" y="{top - 5}">{name}, area {area:.2f}</text>'
        f'<text x="{left}" y="{top + SIDE + 13}">0</text>'
        f'<text x="{left + SIDE}" y="{top + SIDE + 13}" text-anchor="end">1 false</text>'
        f'<text x="{left - 4}" y="{top + 10}" text-anchor="end">1</text>'
    )
