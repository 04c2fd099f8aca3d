"""A network is used for the scans that its card names, sees what was measured, and leaves its mark on the series."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from gateway.model.card import MadeFor, ModelCard, Purpose, Sampling
from gateway.model.header import ScanHeader, Study
from gateway.model.image import ImageSeries
from gateway.model.match import Range
from gateway.model.networks import Network, UnetNetwork, VarnetNetwork
from gateway.model.readout import Acquisition, Readouts
from gateway.model.recipes import FftRecipe, GrappaRecipe, LearnedRecipe
from gateway.recon.engine import reconstruct
from gateway.recon.masks import equispaced
from gateway.recon.networks.ready import ReadyModel
from gateway.recon.networks.weights import load_network, ready_network
from gateway.recon.phantom import head_phantom
from tests.recon.networks import reference
from tests.recon.scans import fft, lines_of, slab
from tests.recon.undersampled import HEAD, error, undersampled, whole
from tests.zoo.models import SMALL_UNET, put_model

SMALL_VARNET = VarnetNetwork(n_cascades=2, n_channels=4, n_pools=2, sens_channels=3, sens_pools=2)
Images = npt.NDArray[np.float32]


def _ready(zoo: Path, network: Network = SMALL_UNET, *, made_for: MadeFor = MadeFor(), **recipe: object) -> ReadyModel:  # noqa: B008 - frozen
    card = put_model(zoo, network, made_for=made_for)
    asked = LearnedRecipe.model_validate({"model": "small", "fallback": GrappaRecipe(), **recipe})
    return ReadyModel(recipe=asked, card=card, weights=zoo / "small" / "weights.safetensors")


def _run(acquisition: Acquisition, header: ScanHeader, ready: ReadyModel) -> ImageSeries:
    (series,) = reconstruct(acquisition, header, ready, device="cpu", progress=lambda *_: None)
    return series


def test_a_varnet_sees_the_k_space_and_the_lines_that_were_measured(tmp_path: Path) -> None:
    """The reference gets them from the phantom's formulas; ours from readouts, in the order of a scanner."""
    ready = _ready(tmp_path, SMALL_VARNET)
    (readouts,), header = undersampled(3)
    order = np.random.default_rng(5).permutation(len(readouts))
    shuffled = Readouts(readouts.heads[order], readouts.samples[order], readouts.trajectory[order])
    found = _run((shuffled,), header, ready).pixels[0]

    n = HEAD.matrix.y
    kspace = np.zeros((HEAD.n_coils, n, 2 * n), np.complex64)
    kspace[:, lines_of(readouts)] = readouts.samples.transpose(1, 0, 2)
    hybrid = np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(kspace, -1), norm="ortho"), -1)[..., n // 2 : n // 2 + n]
    square = np.fft.fftshift(np.fft.fft(np.fft.ifftshift(hybrid, -1), norm="ortho"), -1).astype(np.complex64)
    measured = equispaced(n, step=3, n_calibration=24)
    with torch.inference_mode():
        network = load_network(ready.card, ready.weights, torch.device("cpu"))
        wanted = reference.varnet(network.state_dict(), square.transpose(0, 2, 1), measured, 24).numpy().T
    assert error(found, wanted) < 1e-3


def test_a_unet_whose_last_layer_is_zero_gives_the_mean_of_its_input(tmp_path: Path) -> None:
    ready = _ready(tmp_path)
    network = ready_network(ready, torch.device("cpu")).network
    for name, tensor in network.state_dict().items():
        if name.startswith("up_conv.1.1"):
            tensor.zero_()
    scan = head_phantom(HEAD)
    image = fft(*scan).pixels[0]
    np.testing.assert_allclose(_run(*scan, ready).pixels[0], image.mean(), rtol=1e-4)


@pytest.mark.parametrize("network", [SMALL_UNET, SMALL_VARNET], ids=lambda one: one.method)
def test_scaling_the_data_scales_the_image(tmp_path: Path, network: Network) -> None:
    ready = _ready(tmp_path, network)
    (readouts,), header = undersampled(2)
    larger = Readouts(readouts.heads, readouts.samples * np.float32(1e9), readouts.trajectory)
    plain = _run((readouts,), header, ready).pixels
    np.testing.assert_allclose(_run((larger,), header, ready).pixels, plain * 1e9, rtol=1e-2, atol=1e6)


def test_the_series_says_which_network_made_it(tmp_path: Path) -> None:
    ready = _ready(tmp_path)
    series = _run(*undersampled(2), ready)
    assert series.model is not None
    assert (series.model.name, series.model.weights_sha256) == ("small", ready.card.weights_sha256)
    assert series.notes[0] == "Made by the network small 1.0 (unet)."


def _headed(header: ScanHeader, body_part: str) -> ScanHeader:
    return replace(header, study=Study(body_part=body_part))


OUTSIDE = {
    "acceleration": (
        MadeFor(acceleration=Range(at_most=2.5)),
        "acceleration is 3 outside the calibration (24 of 72 lines), the model is for at most 2.5",
    ),
    "coils": (MadeFor(n_coils=Range(at_least=12)), "number of coils is 8, the model is for at least 12"),
    "calibration": (
        MadeFor(n_calibration=Range(at_least=30)),
        "calibration lines is 24, the model is for at least 30",
    ),
    "matrix": (MadeFor(matrix=Range(at_least=128)), "matrix along lines is 96, the model is for at least 128"),
    "sampling": (MadeFor(sampling=(Sampling.IRREGULAR,)), "sampling is equispaced, the model is for irregular"),
    "field": (MadeFor(field_strength_t=Range(at_most=1.5)), "field strength is 3, the model is for at most 1.5"),
    "body part": (MadeFor(body_parts=("*KNEE*",)), "body part is 'head', the model is for *KNEE*"),
    "vendor": (MadeFor(vendors=("siemens*",)), "vendor is 'synthetic'"),
    "contrast": (MadeFor(contrasts=("*FLAIR*",)), "contrast is 'head phantom' / 'flash'"),
}


@pytest.mark.parametrize("point", OUTSIDE)
def test_a_scan_outside_the_card_takes_the_fallback_and_says_why(tmp_path: Path, point: str) -> None:
    made_for, why = OUTSIDE[point]
    acquisition, header = undersampled(3)
    series = _run(acquisition, _headed(header, "HEAD"), _ready(tmp_path, made_for=made_for))
    assert series.model is None
    assert series.notes[0].startswith("Network small 1.0 was not used: ")
    assert why in series.notes[0]
    assert error(series.pixels, whole()) < 0.07, "GRAPPA, the fallback, has made it"


def test_a_scan_inside_every_point_of_the_card_is_the_networks(tmp_path: Path) -> None:
    made_for = MadeFor(
        body_parts=("head*",),
        contrasts=("*phantom",),
        vendors=("SYNTHETIC",),
        field_strength_t=Range(at_least=2.5, at_most=3.5),
        n_coils=Range(at_least=8, at_most=8),
        matrix=Range(at_least=96, at_most=192),
        acceleration=Range(at_least=2, at_most=3.2),
        n_calibration=Range(at_least=24),
        sampling=(Sampling.EQUISPACED,),
    )
    acquisition, header = undersampled(3)
    assert _run(acquisition, _headed(header, "HEAD"), _ready(tmp_path, made_for=made_for)).model is not None


def test_what_the_scan_does_not_say_does_not_fit(tmp_path: Path) -> None:
    series = _run(*undersampled(3), _ready(tmp_path, made_for=MadeFor(body_parts=("*HEAD*",))))
    assert "body part is not known" in series.notes[0]


def test_a_slab_and_a_whole_scan_are_told_apart(tmp_path: Path) -> None:
    run, header = slab()
    fallback = _run((run,), header, _ready(tmp_path / "a", fallback=FftRecipe()))
    assert "partitions were encoded" in fallback.notes[0]
    full = _run(
        *head_phantom(HEAD),
        _ready(tmp_path / "b", made_for=MadeFor(sampling=(Sampling.EQUISPACED,)), fallback=FftRecipe()),
    )
    assert "sampling is full" in full.notes[0]
    half = MadeFor(acceleration=Range(at_least=2))
    alone = _run(*head_phantom(HEAD), _ready(tmp_path / "c", made_for=half, fallback=FftRecipe()))
    assert "acceleration is 1 outside the calibration" in alone.notes[0]


def test_a_model_for_tests_is_used_only_where_the_recipe_allows_it(tmp_path: Path) -> None:
    def for_tests(card: ModelCard) -> ModelCard:
        return card.model_copy(update={"purpose": Purpose.TESTS})

    ready = _ready(tmp_path / "a")
    series = _run(*undersampled(2), replace(ready, card=for_tests(ready.card)))
    assert "for training and tests" in series.notes[0]
    allowed = _ready(tmp_path / "b", allow_tests=True)
    assert _run(*undersampled(2), replace(allowed, card=for_tests(allowed.card))).model is not None


def test_a_u_net_of_another_size_is_another_network(tmp_path: Path) -> None:
    small, wide = (_ready(tmp_path / str(n), UnetNetwork(n_channels=n, n_pools=2)) for n in (4, 8))
    assert error(_run(*undersampled(2), small).pixels, _run(*undersampled(2), wide).pixels) > 0.01
