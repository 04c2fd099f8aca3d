"""What stands for a wrong image in measuring the gate: structures like those that are planted, at their size."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.gate_faults import lesion
from benchmarks.gate_heads import DRAWN, REGULAR, patterns
from benchmarks.quality_gate import WIDTH_PX, largest_structure


@pytest.mark.parametrize("height", [-4.0, 3.0, 6.0])
def test_a_structure_is_found_at_its_height(height: float) -> None:
    truth = np.zeros((96, 96))
    truth[28:68, 28:68] = 100.0
    image = truth + height * lesion(truth.shape, (40, 52), WIDTH_PX)
    assert largest_structure(image, truth, np.ones_like(truth)) == pytest.approx(abs(height), rel=0.15)


def test_noise_alone_is_no_structure() -> None:
    random, truth = np.random.default_rng(0), np.full((96, 96), 100.0)
    one, other = (truth + random.standard_normal(truth.shape) for _ in range(2))
    assert largest_structure(one, other, np.ones_like(truth)) < 2


def test_no_two_lots_share_a_draw_of_lines() -> None:
    seeds = [seed for lot in DRAWN for seed in lot]
    assert len(set(seeds)) == len(seeds)
    for lot, (regular, drawn) in enumerate(zip(REGULAR, DRAWN, strict=True)):
        names = [one.name for one in patterns(128, lot)]
        assert len(set(names)) == len(regular) + len(drawn) >= 4
