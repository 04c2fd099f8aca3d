"""Frames that belong together are made of one slice, and what is learned from them is worth it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import safetensors.torch
import torch

from gateway.model.card import ModelCard
from gateway.model.recipes import FftRecipe, LearnedRecipe
from gateway.recon.engine import reconstruct
from gateway.recon.networks.architectures import build
from gateway.recon.networks.ready import ReadyModel
from gateway.training.school import School
from gateway.training.sources import source_of
from gateway.training.stacks import frames_of
from gateway.zoo.folder import sha256_of
from tests.recon.test_sparse import beating, every_frame_another_quarter, moving_scan
from tests.recon.undersampled import error
from tests.training.plans import column, plan, run

NETWORK = {"method": "stack", "n_channels": 12, "dilations": [1, 2], "n_cascades": 2}
CPU = torch.device("cpu")


@pytest.mark.parametrize("along", ["time", "slices", "contrasts"])
def test_frames_are_images_of_every_line_each_a_little_different(along: str) -> None:
    chosen = plan(network={**NETWORK, "along": along}, fit={"frames": 4})
    random = np.random.default_rng(3)
    frames = frames_of(source_of(chosen.data[0])(random), chosen, random)
    assert len(frames) == 4
    assert all(bool(frame.filled.all()) for frame in frames)
    changes = [error(frame.clean.abs().numpy(), frames[0].clean.abs().numpy()) for frame in frames[1:]]
    assert all(0.01 < change < 3 for change in changes), changes


def test_a_lesson_has_the_same_slab_of_all_frames_in_one_unit_and_lines_of_their_own() -> None:
    chosen = plan(network=NETWORK, masks={"patterns": ["random"], "accelerations": [3]}, fit={"frames": 5, "slab": 24})
    shown = School(chosen, device=CPU).lesson(0)
    assert shown.shown.start.shape[:2] == (5, 24)
    assert len({tuple(lines.flatten().tolist()) for lines in shown.shown.filled}) > 1
    assert shown.image is not None


def test_a_beating_ring_is_better_with_what_was_learned_from_drawn_heads_that_beat(tmp_path: Path) -> None:
    masks = {"patterns": ["random"], "accelerations": [3], "n_calibration": [12]}
    fit = {"steps": 80, "epoch": 40, "slab": 0, "frames": 4, "reuse": 2, "learning_rate": 5e-3, "average": 0.9}
    model = run(plan(network=NETWORK, masks=masks, fit=fit, losses=[{"kind": "l2"}]), tmp_path)
    assert column(tmp_path, "score")[-1] < column(tmp_path, "start")[-1]
    learned, untrained = (_images(model.card, weights) for weights in (model.weights, _untrained(tmp_path, model.card)))
    still, header = moving_scan(beating(n=96, n_frames=6), noise=0.0)
    (truth,) = reconstruct((still,), header, FftRecipe(), device="cpu", progress=lambda *_: None)
    assert error(learned, truth.pixels) < 0.95 * error(untrained, truth.pixels)


def _images(card: ModelCard, weights: Path) -> npt.NDArray[np.float32]:
    card = card.model_copy(update={"weights_sha256": sha256_of(weights)})
    ready = ReadyModel(recipe=LearnedRecipe(model="tiny", allow_tests=True), card=card, weights=weights)
    readouts, header = moving_scan(beating(n=96, n_frames=6))
    some = every_frame_another_quarter(readouts)
    (series,) = reconstruct((some,), header, ready, device="cpu", progress=lambda *_: None)
    pixels: npt.NDArray[np.float32] = series.pixels
    return pixels


def _untrained(folder: Path, card: ModelCard) -> Path:
    path = folder / "untrained.safetensors"
    safetensors.torch.save_file(build(card.network).state_dict(), path)
    return path
