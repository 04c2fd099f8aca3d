"""Half precision and compilation change how fast a network is, hardly what it makes, and never whether it makes it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gateway.model.networks import CascadeNetwork
from gateway.model.recipes import LearnedRecipe
from gateway.recon.engine import reconstruct
from gateway.recon.networks import tuning
from gateway.recon.networks.ready import ReadyModel
from gateway.recon.networks.tuning import HALF, parts_of
from gateway.recon.networks.weights import ready_network
from gateway.zoo.folder import read_folder
from tests.recon.undersampled import error, undersampled
from tests.zoo.models import put_model

SHIPPED = Path(__file__).parents[3] / "gateway" / "zoo" / "shipped"
CPU = torch.device("cpu")
LARGEST = {"heads": 0.002, "heads-unet": 0.01}
"""Relative; the networks err by 0.03 and more."""


@pytest.mark.parametrize("name", ["heads", "heads-unet"])
def test_half_precision_errs_by_far_less_than_the_network_itself(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Wherever it is used: the instructions that make it worth while round no more than these."""
    monkeypatch.setattr(tuning, "faster_halved", lambda _device: True)
    model = read_folder(SHIPPED / name)
    full, half = (
        ReadyModel(
            recipe=LearnedRecipe(model=name, allow_tests=True, precision=precision),
            card=model.card.model_copy(update={"made_for": model.card.made_for.model_copy(update={"body_parts": ()})}),
            weights=model.weights,
        )
        for precision in ("full", "half")
    )
    (first,), (other,) = (
        reconstruct(*undersampled(4), one, device="cpu", progress=lambda *_: None) for one in (full, half)
    )
    assert "Convolutions in half precision (bfloat16)." in other.notes
    assert 0 < error(other.pixels, first.pixels) < LARGEST[name]


def test_half_precision_that_gains_nothing_is_not_used_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tuning, "faster_halved", lambda _device: False)
    ready = _ready(tmp_path, precision="half")
    (series,) = reconstruct(*undersampled(2), ready, device="cpu", progress=lambda *_: None)
    assert "Half precision was asked for, and not used: cpu computes it no faster here." in series.notes
    network = ready_network(ready, CPU).network
    assert {one.dtype for part in parts_of(network) for one in part.parameters()} == {torch.float32}


def test_a_device_says_whether_half_precision_is_faster() -> None:
    """That of the tests has the instructions or has not; asking must not fail."""
    assert tuning.faster_halved(CPU) in (True, False)
    assert HALF.itemsize < torch.float32.itemsize


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # torch warns of itself
def test_a_network_that_cannot_be_compiled_makes_the_same_image_and_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("torch._inductor.config.cpp.cxx", ("/nonexistent/compiler",))
    plain = _ready(tmp_path)
    asked = replace(plain, recipe=plain.recipe.model_copy(update={"compiled": True}))
    (first,), (other,) = (
        reconstruct(*undersampled(2), one, device="cpu", progress=lambda *_: None) for one in (plain, asked)
    )
    assert "Compilation was asked for, and failed: the network ran as it is." in other.notes
    np.testing.assert_array_equal(first.pixels, other.pixels)


def _ready(zoo: Path, **recipe: object) -> ReadyModel:
    card = put_model(zoo, CascadeNetwork(n_channels=4, dilations=(1,), n_cascades=1))
    asked = LearnedRecipe.model_validate({"model": "small", **recipe})
    return ReadyModel(recipe=asked, card=card, weights=zoo / "small" / "weights.safetensors")
