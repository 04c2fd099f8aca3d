"""What a trajectory leaves out of k-space is told by its gaps, however readouts are turned and bent."""

from __future__ import annotations

import math

import pytest
import torch

from gateway.recon.gaps import undersampling
from tests.recon.trajectories import golden, radial, spiral

N = 128
NYQUIST = math.ceil(math.pi / 2 * N)
"""Spokes through the centre, whose ends are a cycle apart."""


@pytest.mark.parametrize("spokes", [radial, golden])
@pytest.mark.parametrize("factor", [1, 2, 4])
def test_spokes_leave_out_what_their_ends_are_apart(spokes: object, factor: int) -> None:
    assert callable(spokes)
    points: torch.Tensor = spokes(N, round(NYQUIST / factor)).flatten(0, 1)
    assert undersampling(points) == pytest.approx(factor, rel=0.15)


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_turns_of_a_spiral_leave_out_what_they_are_apart(factor: int) -> None:
    points = spiral(N, 32, 2000)[::factor].flatten(0, 1)
    assert undersampling(points) == pytest.approx(factor, rel=0.15)


def test_more_than_is_wanted_is_no_undersampling() -> None:
    assert undersampling(radial(N, 4 * NYQUIST).flatten(0, 1)) == 1.0
