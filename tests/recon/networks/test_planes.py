"""Networks for two dimensions on slabs: each position along the readout is a plane with a mask of two directions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from pydantic import ValidationError

from gateway.model.card import Encoded, MadeFor, ModelCard, Sampling
from gateway.model.image import ImageKind, ImageSeries
from gateway.model.match import Range
from gateway.model.networks import CascadeNetwork, DiffusionNetwork, ModlNetwork, Network, UnetNetwork
from gateway.model.recipes import FftRecipe, L1WaveletRecipe, LearnedRecipe
from gateway.model.zyx import Zyx
from gateway.recon.engine import reconstruct
from gateway.recon.networks.ready import ReadyModel
from tests.recon.scans import encoded
from tests.recon.slabs import MATRIX, header_of, slab
from tests.recon.test_slabs import AT_RANDOM, CALIBRATION, EVERY_OTHER, NOISE, truth
from tests.recon.undersampled import error
from tests.zoo.models import card, put_model

SLABS = MadeFor(encoded=(Encoded.SLABS,))
MODL = ModlNetwork(n_channels=4, dilations=(1,), n_unrolls=2, cg_steps=8)


def _ready(zoo: Path, network: Network = MODL, *, made_for: MadeFor = SLABS, **recipe: object) -> ReadyModel:
    asked = LearnedRecipe.model_validate({"model": "small", "fallback": L1WaveletRecipe(steps=2), **recipe})
    return ReadyModel(
        recipe=asked, card=put_model(zoo, network, made_for=made_for), weights=zoo / "small" / "weights.safetensors"
    )


def _run(keep: npt.NDArray[np.bool_], ready: ReadyModel, *, memory_bytes: int | None = None) -> ImageSeries:
    header = encoded(header_of(), acceleration=Zyx(z=2.0, y=2.0, x=1.0))
    run = slab(keep, noise=NOISE)
    (series,) = reconstruct((run,), header, ready, device="cpu", memory_bytes=memory_bytes, progress=lambda *_: None)
    return series


@pytest.mark.parametrize("keep", [EVERY_OTHER, AT_RANDOM], ids=["lattice", "at random"])
def test_a_slab_whose_mask_has_two_directions_is_unfolded(tmp_path: Path, keep: npt.NDArray[np.bool_]) -> None:
    """Nobody trained it, so what unfolds are sensitivities and data: four times fewer samples may double the noise."""
    series = _run(keep, _ready(tmp_path))
    assert series.model is not None
    assert series.pixels.shape == MATRIX.as_tuple()
    (all_lines,) = reconstruct(
        (slab(np.ones_like(CALIBRATION), noise=NOISE),),
        header_of(),
        FftRecipe(),
        device="cpu",
        progress=lambda *_: None,
    )
    assert error(series.pixels, truth()) < 4 * error(all_lines.pixels, truth())


def test_planes_come_out_alike_however_little_memory_there_is(tmp_path: Path) -> None:
    ready = _ready(tmp_path)
    little, enough = (_run(EVERY_OTHER, ready, memory_bytes=n_bytes).pixels for n_bytes in (1 << 20, None))
    np.testing.assert_allclose(little, enough, rtol=1e-3, atol=2e-4 * enough.max())


def test_planes_may_begin_with_the_images_of_another_recipe(tmp_path: Path) -> None:
    """Data count for nothing in a cascade of no doubt whose images are hard: they are those of the recipe before."""
    network = CascadeNetwork(n_channels=4, dilations=(1,), n_cascades=1)
    first = _run(AT_RANDOM, _ready(tmp_path / "a", network))
    other = _run(AT_RANDOM, _ready(tmp_path / "b", network, after=L1WaveletRecipe(steps=20)))
    assert 0.001 < error(other.pixels, first.pixels) < 0.3
    assert error(other.pixels, truth()) < error(first.pixels, truth())


def test_no_two_planes_are_drawn_by_the_same_dice(tmp_path: Path) -> None:
    """A slab that is alike at every position of the readout: only what is drawn tells the positions apart."""
    network = DiffusionNetwork(n_channels=4, dilations=(1,), steps=2, samples=2, cg_steps=4)
    alike, header = slab(AT_RANDOM), encoded(header_of(), acceleration=Zyx(z=2.0, y=2.0, x=1.0))
    alike.samples[..., np.arange(MATRIX.x) != MATRIX.x // 2] = 0
    made = reconstruct((alike,), header, _ready(tmp_path, network), device="cpu", progress=lambda *_: None)
    (spread,) = (one.pixels for one in made if one.kind is ImageKind.UNCERTAINTY)
    assert np.abs(np.diff(spread, axis=-1)).max(axis=(0, 1)).min() > 0


OUTSIDE = {
    "slices": (MadeFor(), "partitions were encoded, the model is for slices"),
    "acceleration": (
        SLABS.model_copy(update={"acceleration": Range(at_most=2.0)}),
        "acceleration is 2.78 outside the calibration (88 of 245 points), the model is for at most 2",
    ),
    "calibration": (
        SLABS.model_copy(update={"n_calibration": Range(at_least=16)}),
        "number of calibration lines is 11, the model is for at least 16",
    ),
    "partitions": (
        SLABS.model_copy(update={"partitions": Range(at_least=32)}),
        "number of partitions is 16, the model is for at least 32",
    ),
    "sampling": (
        SLABS.model_copy(update={"sampling": (Sampling.IRREGULAR,)}),
        "sampling is equispaced, the model is for irregular",
    ),
}


@pytest.mark.parametrize("point", OUTSIDE)
def test_a_slab_outside_the_card_takes_the_fallback_and_says_why(tmp_path: Path, point: str) -> None:
    made_for, why = OUTSIDE[point]
    series = _run(EVERY_OTHER, _ready(tmp_path, made_for=made_for))
    assert series.model is None
    assert why in series.notes[0]


def test_a_slab_within_every_point_of_the_card_is_the_networks(tmp_path: Path) -> None:
    made_for = SLABS.model_copy(
        update={
            "acceleration": Range(at_least=2, at_most=4),
            "partitions": Range(at_most=16),
            "n_calibration": Range(at_least=10),
            "sampling": (Sampling.IRREGULAR,),
        }
    )
    assert _run(AT_RANDOM, _ready(tmp_path, made_for=made_for)).model is not None


def test_a_card_cannot_promise_slabs_for_a_network_of_slices() -> None:
    with pytest.raises(ValidationError, match="such a unet is for slices alone"):
        ModelCard.model_validate({**card(UnetNetwork()).model_dump(), "made_for": SLABS.model_dump()})
