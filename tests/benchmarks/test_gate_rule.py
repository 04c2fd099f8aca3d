"""The rule by which the gate is measured: no head gives itself limits, what is kept apart gives none at all."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from benchmarks.gate_rule import BEYOND, JOINED, KEPT, LARGE, Rule, head_of, judged, shipped_rule, wilson
from benchmarks.quality_gate import Row
from gateway.model.gate import Check

SAW = {"snr": 40.0, "contrast": 0.3, "filling": 0.4}


def row(head: str, value: float = 1.0, **more: object) -> dict[str, Any]:
    values = {check.value: 1.0 for check in JOINED} | {Check.COILS.value: value}
    family = "synthetic" if head.startswith("synthetic") else head
    made = Row(
        head=head, family=family, recipe="tv", pattern="", fault="", size=0.0, own=0.0, values=values, saw=dict(SAW)
    )
    return asdict(made) | more


HEADS = ("brain_16ch_full", "brain_4ch_full", "T1 head, Chris", "T1 head, Colin", "synthetic 0, noise 0")


def test_a_head_gives_itself_no_limits() -> None:
    rows = [row(head) for head in HEADS[1:]] + [row(HEADS[0], 50.0)]
    alarms = {head_of(one.row): one.caught for one in judged(rows)}
    assert alarms.pop(HEADS[0]), "though it is clean by its own values, others never saw such"
    assert not any(alarms.values())


def test_what_is_kept_apart_gives_no_limits() -> None:
    rows = [row(head) for head in HEADS]
    kept = [row(head, 50.0, lot=KEPT) for head in HEADS]
    assert shipped_rule(rows + kept).limits == shipped_rule(rows).limits
    assert all(one.caught for one in judged(rows + kept) if one.row["lot"] == KEPT)


def test_images_that_are_wrong_themselves_give_no_limits() -> None:
    rows = [row(head) for head in HEADS]
    wrong = [row(head, 50.0, own=LARGE) for head in HEADS]
    assert shipped_rule(rows + wrong).limits == shipped_rule(rows).limits


def test_one_check_alone_is_an_alarm_beyond_the_largest_of_clean_images_however_they_spread() -> None:
    clean = [row(HEADS[n % 4], value) for n, value in enumerate(np.geomspace(0.1, 4.0, 40).tolist())]
    clean[0]["values"][Check.AGREEMENT.value] = 1e3  # so that all together are allowed much
    assert Rule.found_from(clean).limits[Check.COILS] == pytest.approx(BEYOND * 4.0)


@pytest.mark.parametrize(("n_hits", "n", "low", "high"), [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634)])
def test_the_interval_is_wilsons(n_hits: int, n: int, low: float, high: float) -> None:
    """Figures of Newcombe 1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E, and by hand."""
    assert wilson(n_hits, n) == pytest.approx((low, high), abs=1e-3)
