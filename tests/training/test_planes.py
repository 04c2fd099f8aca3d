"""Masks of two directions, as scans of slabs have them: how they are drawn, and what is learned from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from gateway.model.card import Encoded
from gateway.model.training_data import ProceduralData
from gateway.recon import masks
from gateway.training.lessons import whole_lesson
from gateway.training.masking import mask_of, masked
from gateway.training.sources import source_of
from tests.training.plans import column, plan, run

PATTERNS = ("equispaced", "random", "variable-density", "poisson-disc", "centre")
TWO = {"directions": [2], "accelerations": [4], "n_calibration": [8]}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_mask_of_two_directions_keeps_its_middle_and_leaves_out_what_is_asked(pattern: str) -> None:
    chosen = plan(masks={**TWO, "patterns": [pattern]}).masks
    for seed in range(4):
        points = mask_of(chosen, (40, 33), np.random.default_rng(seed))
        assert points.shape == (40, 33)
        assert points[16:24, 12:20].all()
        assert 3 < points.numel() / points.sum() < 5
        assert points.any(dim=0).sum() < 33 or points.any(dim=1).sum() < 40 or not points.all(dim=0).any()


def test_points_of_a_poisson_disc_keep_apart_the_farther_the_farther_out() -> None:
    points = masks.poisson_disc(60, 50, acceleration=6, n_calibration=8, random=np.random.default_rng(1))
    z, y = (at.astype(float) for at in np.nonzero(points))
    middle = (np.abs(z - 30) < 5) & (np.abs(y - 25) < 5)
    outer = np.hypot((z - 30) / 30, (y - 25) / 25) > 0.8
    near = np.hypot(z[:, None] - z, y[:, None] - y) + np.where(np.eye(len(z)), np.inf, 0)
    assert near[middle].min() == 1
    assert near[outer].min() > 1.5


def test_a_plane_and_its_lines_show_the_same_image() -> None:
    """A slice of every line is the same image whether it is looked at as a slice, or across the readout of a slab."""
    slice_ = source_of(ProceduralData(matrix=(48,), n_coils=(4,), noisiest=2e-4))(np.random.default_rng(1))
    every = plan(masks={"directions": [1], "patterns": ["equispaced"], "accelerations": [1], "n_calibration": [16]})
    both = plan(masks={"directions": [2], "patterns": ["equispaced"], "accelerations": [1], "n_calibration": [16]})
    with torch.no_grad():
        (line, truth), (plane, same) = (
            whole_lesson([masked(slice_, one, np.random.default_rng(2))]) for one in (every, both)
        )
    assert line.shown.axes == (-1,)
    assert plane.shown.axes == (-2, -1)
    torch.testing.assert_close(same / same.max(), truth / truth.max(), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(
        plane.shown.start.abs() / same.max(), line.shown.start.abs() / truth.max(), rtol=0, atol=0.05
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"losses": [{"kind": "l2"}]},
        {"paradigm": "ssdu", "losses": [{"kind": "k-space"}]},
        {"paradigm": "robust", "losses": [{"kind": "l1"}]},
    ],
    ids=["supervised", "ssdu", "robust"],
)
def test_what_is_learned_from_planes_is_for_slabs(tmp_path: Path, changes: dict[str, object]) -> None:
    """All steps share a slice, so that the loss tells what was learned."""
    fit = {"steps": 8, "epoch": 2, "learning_rate": 3e-3, "reuse": 100}
    model = run(plan(masks=TWO, fit=fit, **changes), tmp_path)
    assert model.card.made_for.encoded == (Encoded.SLABS,)
    assert column(tmp_path, "loss")[-1] < column(tmp_path, "loss")[0]


def test_a_card_says_slices_and_slabs_where_both_were_drawn(tmp_path: Path) -> None:
    both = run(plan(masks={**TWO, "directions": [1, 2]}, fit={"steps": 2}), tmp_path)
    assert both.card.made_for.encoded == (Encoded.SLICES, Encoded.SLABS)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"made_for": {"encoded": ["slabs"]}}, "made_for.encoded says other scans"),
        ({"network": {"method": "unet"}, "masks": TWO}, "such a unet is for slices"),
        ({"masks": {**TWO, "patterns": ["learned"]}, "fit": {"reuse": 1}}, "a learned pattern is one of lines"),
    ],
)
def test_what_cannot_be_learned_of_planes_is_refused(changes: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        plan(**changes)
