"""A network that comes after a recipe learns from that recipe's own images, and is for no others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from gateway.model.recipes import FftRecipe, GrappaRecipe, LearnedRecipe, Recipe, SenseRecipe
from gateway.model.training_data import ProceduralData
from gateway.recon.engine import reconstruct
from gateway.recon.networks.ready import ReadyModel
from gateway.recon.networks.scope import misused
from gateway.recon.preparation import prepared
from gateway.recon.spaces import imaged_spaces
from gateway.training.as_scan import drawn_scans, undersampled_scan
from gateway.training.lessons import Lesson, whole_lesson
from gateway.training.losses import error_over_object
from gateway.training.masking import masked
from gateway.training.simulation import FullSlice
from gateway.training.sources import source_of
from tests.training.plans import HEADS, column, plan, run

REFINE = {"method": "refine", "n_channels": 8, "n_pools": 2}
EVEN = {"patterns": ["equispaced"], "accelerations": [3], "n_calibration": [16]}


@pytest.fixture(scope="module")
def slice_() -> FullSlice:
    """A drawn head."""
    return source_of(ProceduralData(matrix=(96,), n_coils=(6,), quietest=5e-3, noisiest=5e-3))(np.random.default_rng(1))


def _lesson(slice_: FullSlice, **changes: object) -> tuple[Lesson, torch.Tensor]:
    chosen = plan(**{"network": REFINE, "masks": EVEN, **changes})
    with torch.no_grad():
        return whole_lesson([masked(slice_, chosen, np.random.default_rng(2))])


def test_after_sense_is_what_it_begins_with_anyway(slice_: FullSlice) -> None:
    """Though the one is made by the engine of readouts, the other of hybrid space; the unit alone is another."""
    (plain, _), (after, _) = _lesson(slice_), _lesson(slice_, after={"method": "sense"})
    unit = after.shown.start.norm() / plain.shown.start.norm()
    assert (after.shown.start / unit - plain.shown.start).norm() < 0.02 * plain.shown.start.norm()


@pytest.mark.parametrize("method", ["grappa", "auto", "l1-wavelet"])
def test_what_it_begins_with_is_the_image_that_the_recipe_makes(slice_: FullSlice, method: str) -> None:
    """Of the size that it has in use, in the phase of what it should become."""
    chosen = plan(network=REFINE, masks=EVEN, after={"method": method})
    with torch.no_grad():
        taught = masked(slice_, chosen, np.random.default_rng(2))
        lesson, truth = whole_lesson([taught])
    scan = undersampled_scan(slice_, taught.filled)
    assert chosen.after is not None
    (made,) = reconstruct(scan.acquisition, scan.header, chosen.after, device="cpu", progress=lambda *_: None)
    wanted = torch.from_numpy(made.pixels[0]).T
    found = lesson.shown.start[0].abs() * (wanted.norm() / lesson.shown.start.norm())
    there = wanted > 0.2 * wanted.max()
    assert float((found - wanted)[there].norm() / wanted[there].norm()) < 0.05
    assert lesson.image is not None
    assert abs(float((lesson.shown.start.conj() * lesson.image).sum().angle())) < 0.02
    assert error_over_object(lesson.shown.start, truth) < 0.3


def test_an_image_alone_is_in_its_own_unit_and_tells_its_own_noise(slice_: FullSlice) -> None:
    lesson, _ = _lesson(slice_, after={"method": "grappa"})
    bright = torch.quantile(lesson.shown.start.abs().flatten(), 0.98)
    assert float(bright) == pytest.approx(1, rel=1e-3)
    plain, _ = _lesson(slice_)
    assert not torch.allclose(lesson.shown.noise, plain.shown.noise, rtol=1e-3)


def test_the_middle_alone_is_a_scan_of_less_resolution(slice_: FullSlice) -> None:
    """The recipe fills what was never wanted with zeros, as it does for a scanner that measured no more."""
    middle = {"patterns": ["centre"], "accelerations": [4], "n_calibration": [16]}
    lesson, truth = _lesson(slice_, masks=middle, after={"method": "fft"})
    assert 0.05 < error_over_object(lesson.shown.start, truth) < 0.5
    kspace = torch.fft.fftshift(torch.fft.fft(torch.fft.ifftshift(lesson.shown.start[0], dim=-1)), dim=-1).abs()
    assert kspace[:, :32].mean() < 0.1 * kspace[:, 40:56].mean()


def test_a_training_after_a_recipe_makes_a_model_for_its_images_alone(tmp_path: Path) -> None:
    """Taught after GRAPPA it lowers its loss, and a recipe that begins with another image takes the fallback."""
    fit = {"steps": 16, "epoch": 4, "learning_rate": 1e-3, "reuse": 100, "slab": 0}
    chosen = plan(network=REFINE, masks=EVEN, after={"method": "grappa"}, fit=fit, data=[{**HEADS, "matrix": [64]}])
    model = run(chosen, tmp_path)
    losses = column(tmp_path, "loss")
    assert losses[-1] < losses[0]
    assert model.card.made_for.after == ("grappa",)
    (drawn,) = drawn_scans(1, ProceduralData(matrix=(64,), n_coils=(4,)), seed=5)
    (space,) = imaged_spaces(drawn.noisy, drawn.header)
    scan, _ = prepared(space, None)

    def faults(after: Recipe | None) -> list[str]:
        asked = LearnedRecipe(model="tiny", allow_tests=True, after=after)
        return misused(scan, ReadyModel(recipe=asked, card=model.card, weights=model.weights))

    assert not [each for each in faults(GrappaRecipe()) if "begins" in each]
    assert faults(None) == ["the recipe begins with sense, the model is for images of grappa"]
    assert faults(FftRecipe()) == ["the recipe begins with fft, the model is for images of grappa"]


def test_a_card_that_names_no_recipe_is_for_any(tmp_path: Path) -> None:
    model = run(plan(network=REFINE, fit={"steps": 2}), tmp_path)
    assert model.card.made_for.after == ()
    ready = ReadyModel(recipe=LearnedRecipe(model="tiny", after=SenseRecipe()), card=model.card, weights=model.weights)
    assert ready.begins_with == "sense"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"masks": {"patterns": ["random"]}}, "grappa fills a regular pattern"),
        ({"masks": {"patterns": ["centre"]}}, "grappa fills a regular pattern"),
        ({"masks": {**EVEN, "accelerations": [1, 2]}}, "nothing to fill"),
        ({"masks": {**EVEN, "directions": [2]}}, "made of whole slices"),
        ({"network": {"method": "unet"}}, "a unet begins with what was measured"),
        ({"paradigm": "robust", "losses": [{"kind": "l1"}]}, "robust begins with SENSE"),
        ({"after": {"method": "cg-nufft"}}, "other trajectories"),
        ({"after": {"method": "fft"}}, "fft wants every line"),
    ],
)
def test_what_a_recipe_cannot_make_is_refused_before_anything_is_drawn(changes: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        plan(**{"network": REFINE, "masks": EVEN, "after": {"method": "grappa"}, **changes})
