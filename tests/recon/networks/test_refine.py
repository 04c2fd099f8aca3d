"""A network after any conventional recipe: it begins with that recipe's image, and what it adds is its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gateway.model.card import MadeFor
from gateway.model.errors import BadScan
from gateway.model.image import ImageKind, ImageSeries
from gateway.model.match import Range
from gateway.model.networks import DenoiserNetwork, ModlNetwork, Network, RefineNetwork
from gateway.model.recipes import CgNufftRecipe, FftRecipe, GrappaRecipe, LearnedRecipe, Recipe, SenseRecipe
from gateway.recon.engine import reconstruct
from gateway.recon.networks.ready import ReadyModel
from gateway.recon.phantom import head_phantom
from tests.recon.scans import slab
from tests.recon.scattered import FEW_SPOKES, scattered_head
from tests.recon.undersampled import HEAD, Scan, error, run, undersampled, whole
from tests.zoo.models import put_model

REFINE = RefineNetwork(n_channels=4, n_pools=2)


def _ready(zoo: Path, network: Network, after: Recipe | None, *, made_for: MadeFor = MadeFor()) -> ReadyModel:  # noqa: B008 - frozen
    card = put_model(zoo, network, made_for=made_for)
    asked = LearnedRecipe(model="small", after=after, fallback=SenseRecipe())
    return ReadyModel(recipe=asked, card=card, weights=zoo / "small" / "weights.safetensors")


def _run(scan: Scan, ready: ReadyModel) -> ImageSeries:
    (series,) = reconstruct(*scan, ready, device="cpu", progress=lambda *_: None)
    return series


def _radial() -> Scan:
    readouts, header = scattered_head(FEW_SPOKES)
    return (readouts,), header


def _slab() -> Scan:
    acquisition, header = slab()
    return (acquisition,), header


@pytest.mark.parametrize("network", [REFINE, DenoiserNetwork(n_channels=4, dilations=(1,))], ids=lambda one: one.method)
@pytest.mark.parametrize(
    ("scan", "after"),
    [
        (undersampled(3), GrappaRecipe(coils="rss")),
        (head_phantom(HEAD), FftRecipe()),
        (_slab(), FftRecipe()),
        (_radial(), CgNufftRecipe(steps=3)),
    ],
    ids=["GRAPPA", "every line", "a slab", "radial"],
)
def test_a_network_that_nobody_trained_leaves_the_image_of_its_recipe(
    tmp_path: Path, network: Network, scan: Scan, after: Recipe
) -> None:
    made = _run(scan, _ready(tmp_path, network, after))
    combined = after.model_copy(update={"output": (ImageKind.COMPLEX,), "coils": "auto"})
    conventional = run(scan, combined)
    assert error(made.pixels, np.abs(conventional.pixels)) < 1e-5
    assert made.frames == conventional.frames
    assert made.model is not None
    assert made.notes[0] == f"Refined by the network small 1.0 ({network.method}) after {after.method}."


def test_a_network_that_knows_k_space_begins_with_the_image_in_the_phase_of_its_maps(tmp_path: Path) -> None:
    """Refining nothing and putting measured samples back leaves a good image as good as it was."""
    consistent = RefineNetwork(n_channels=4, n_pools=2, consistency="hard")
    scan = undersampled(2)
    series = _run(scan, _ready(tmp_path, consistent, GrappaRecipe()))
    assert error(series.pixels, whole()) < 1.1 * error(run(scan, GrappaRecipe()).pixels, whole())
    assert series.notes[0] == "Made by the network small 1.0 (refine) after grappa."


def test_an_unrolled_network_may_begin_with_any_image(tmp_path: Path) -> None:
    modl = ModlNetwork(n_channels=4, dilations=(1,), n_unrolls=1, cg_steps=2)
    first, other = (
        _run(undersampled(4), _ready(tmp_path / name, modl, after)).pixels
        for name, after in (("sense", None), ("grappa", GrappaRecipe()))
    )
    assert 0.001 < error(first, other) < 0.2


def test_the_noise_of_a_refined_image_is_not_made_up(tmp_path: Path) -> None:
    ready = _ready(tmp_path, REFINE, GrappaRecipe())
    asked = ready.recipe.model_copy(update={"output": (ImageKind.MAGNITUDE, ImageKind.SNR)})
    with pytest.raises(BadScan, match="output must not name snr"):
        _run(undersampled(2), ReadyModel(recipe=asked, card=ready.card, weights=ready.weights))


def test_what_lines_of_a_slab_do_not_tell_does_not_fit_a_card_that_asks(tmp_path: Path) -> None:
    ready = _ready(tmp_path, REFINE, FftRecipe(), made_for=MadeFor(acceleration=Range(at_most=4)))
    ready = ReadyModel(
        recipe=ready.recipe.model_copy(update={"fallback": FftRecipe()}), card=ready.card, weights=ready.weights
    )
    series = _run(_slab(), ready)
    assert series.model is None
    assert "acceleration is not known, the model is for at most 4" in series.notes[0]
