"""The models that come with the gateway are whole, small, honest, and make an image of a head that none of them saw."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.model.card import ModelCard, Purpose
from gateway.model.image import ImageSeries
from gateway.model.networks import DiffusionNetwork
from gateway.model.recipes import LearnedRecipe, SenseRecipe
from gateway.recon.engine import reconstruct
from gateway.recon.networks.ready import ReadyModel
from gateway.zoo.zoo import SHIPPED, Zoo
from tests.recon.undersampled import error, run, undersampled, whole

ZOO = Zoo((SHIPPED,))
LARGEST_BYTES = 10_000_000


def test_there_are_an_unrolled_network_a_prior_in_three_ways_and_a_u_net() -> None:
    assert {ZOO.find(name).card.network.method for name in ZOO.names()} == {"modl", "pnp", "unet", "diffusion", "map"}


@pytest.mark.parametrize("name", ZOO.names())
def test_a_shipped_model_is_whole_and_says_what_it_is(name: str) -> None:
    model = ZOO.checked(name)
    assert model.weights.stat().st_size <= LARGEST_BYTES
    assert model.card.purpose is Purpose.TESTS, "patients only where it beats every recipe on measured heads"
    assert model.card.trained_on.synthetic
    assert model.card.trained_on.caveat
    assert model.card.measured


def _image(name: str) -> ImageSeries:
    model = ZOO.find(name)
    recipe = LearnedRecipe(model=name, allow_tests=True)
    ready = ReadyModel(recipe=recipe, card=_quicker(model.card), weights=model.weights)
    first, *_spread = reconstruct(*undersampled(4), ready, device="cpu", progress=lambda *_: None)
    return first


def _quicker(card: ModelCard) -> ModelCard:
    """Draw two images where the card asks for more: a minute otherwise."""
    if not isinstance(card.network, DiffusionNetwork):
        return card
    return card.model_copy(update={"network": card.network.model_copy(update={"samples": 2, "steps": 12})})


@pytest.mark.parametrize("name", ZOO.names())
def test_a_shipped_model_makes_an_image_of_a_head(name: str) -> None:
    series = _image(name)
    assert series.model is not None
    assert np.isfinite(series.pixels).all()
    assert error(series.pixels, whole()) < 0.35


def test_the_unrolled_network_is_better_than_what_it_begins_with() -> None:
    assert error(_image("heads").pixels, whole()) < error(run(undersampled(4), SenseRecipe()).pixels, whole())
