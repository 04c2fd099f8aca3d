"""What is drawn is an image and its uncertainty, and the same each time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gateway.model.image import ImageKind, ImageSeries
from gateway.model.networks import DiffusionNetwork
from gateway.model.readout import Acquisition
from gateway.model.recipes import LearnedRecipe
from gateway.model.zyx import Zyx
from gateway.recon.engine import reconstruct
from gateway.recon.networks.ready import ReadyModel
from gateway.recon.phantom import PhantomScan, head_phantom
from tests.recon.undersampled import error
from tests.zoo.models import put_model

TWO_SLICES = PhantomScan(
    n_slices=2, n_coils=4, matrix=Zyx(z=1, y=48, x=48), noise=0.005, seed=2, acceleration=3, calibration_lines=16
)
NETWORK = DiffusionNetwork(n_channels=4, dilations=(1,), steps=4, samples=3)


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> ReadyModel:
    zoo = tmp_path_factory.mktemp("zoo")
    card = put_model(zoo, NETWORK)
    return ReadyModel(recipe=LearnedRecipe(model="small"), card=card, weights=zoo / "small" / "weights.safetensors")


def _made(ready: ReadyModel, acquisition: Acquisition | None = None) -> dict[ImageKind, ImageSeries]:
    scan, header = head_phantom(TWO_SLICES)
    made = reconstruct(acquisition or scan, header, ready, device="cpu", progress=lambda *_: None)
    return {one.kind: one for one in made}


def test_the_mean_is_the_image_and_the_spread_comes_with_it(ready: ReadyModel) -> None:
    made = _made(ready)
    assert set(made) == {ImageKind.MAGNITUDE, ImageKind.UNCERTAINTY}
    image, spread = made[ImageKind.MAGNITUDE].pixels, made[ImageKind.UNCERTAINTY].pixels
    assert spread.min() >= 0
    assert 0 < np.median(spread[image > 0.1 * image.max()]) < 0.5 * image.max()
    assert made[ImageKind.UNCERTAINTY].model is not None


def test_the_same_scan_draws_the_same_images_and_each_slice_others(ready: ReadyModel) -> None:
    first, again = _made(ready), _made(ready)
    for kind, series in first.items():
        np.testing.assert_array_equal(series.pixels, again[kind].pixels)
    spread = first[ImageKind.UNCERTAINTY].pixels
    assert np.corrcoef(spread[0].ravel(), spread[1].ravel())[0, 1] < 0.6, "noise is not the same in all slices"


def test_the_spread_scales_with_the_data(ready: ReadyModel) -> None:
    (readouts,), _ = head_phantom(TWO_SLICES)
    louder = replace(readouts, samples=readouts.samples * np.float32(1e6))
    plain, loud = _made(ready), _made(ready, (louder,))
    for kind, series in plain.items():
        assert error(np.asarray(loud[kind].pixels / 1e6, np.float32), series.pixels) < 1e-2
