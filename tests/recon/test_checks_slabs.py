"""Slabs are checked as slices are: what is right passes, what was planted fails, and where it is, is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
import torch

from gateway.model.card import Encoded, MadeFor
from gateway.model.gate import Check, Grade, Measured
from gateway.model.image import ImageSeries
from gateway.model.recipes import L1WaveletRecipe, LearnedRecipe
from gateway.quality.ruling import assess
from gateway.recon.checks.evidence import Evidence
from gateway.recon.checks.recording import evidence_of
from gateway.recon.checks.view import RECIPE as REFERENCE, View, views
from gateway.recon.engine import reconstruct
from gateway.recon.networks.ready import ReadyModel
from gateway.recon.parallel import understand
from gateway.recon.preparation import Preparation
from gateway.recon.workplace import Workplace
from gateway.zoo.zoo import SHIPPED, Zoo
from tests.recon.slabs import MATRIX, header_of, slab
from tests.recon.test_slabs import CALIBRATION, Y, Z
from tests.recon.undersampled import Scan, run

RECIPE = L1WaveletRecipe()
AT_RANDOM = (np.random.default_rng(6).random(Z.shape) < 0.4) | CALIBRATION
Samples = npt.NDArray[np.complex64]


def scan(keep: npt.NDArray[np.bool_] = AT_RANDOM) -> Scan:
    return (slab(keep, noise=0.01),), header_of()


@cache
def image() -> ImageSeries:
    return run(scan(), RECIPE)


@cache
def view() -> View:
    preparation = Preparation(*scan())
    with torch.inference_mode():
        found = understand(preparation.of(preparation.spaces[0])[0], REFERENCE, regular=False)
        (made,) = views(found, Workplace(device=torch.device("cpu")))
    return made


def look(images: ImageSeries | None = None, *, at: Scan | None = None, reruns: str = "never") -> Evidence:
    return evidence_of(Preparation(*(at or scan())), RECIPE, images or image(), device="cpu", reruns=reruns)


@cache
def clean() -> Evidence:
    return look(reruns="always")


def grade(found: Evidence, check: Check) -> Grade:
    return assess(Measured(check=check, value=found.values.get(check))).grade


def test_what_would_be_measured_of_a_slab_and_what_it_is_brought_back_by_are_adjoint() -> None:
    random = torch.Generator().manual_seed(1)
    image_like = torch.randn(view().reference.shape, dtype=torch.complex64, generator=random)
    data_like = torch.randn(view().data.shape, dtype=torch.complex64, generator=random)
    with torch.inference_mode():
        left = (view().seen(image_like).conj() * data_like).sum()
        right = (image_like.conj() * view().back(data_like)).sum()
    assert abs(complex(left - right)) < 1e-4 * abs(complex(left))


def test_the_noise_beside_a_slab_is_that_of_slabs_of_other_noise() -> None:
    """It is solved for on every fourth plane: eight other draws of noise are the measure."""
    drawn = []
    (readouts,), header = scan()
    level = 0.01 * np.random.default_rng(0).standard_normal((8, *readouts.samples.shape, 2))
    for more in level:
        noisy = (readouts.samples + more.view(np.complex128)[..., 0]).astype(np.complex64)
        preparation = Preparation((replace(readouts, samples=noisy),), header)
        with torch.inference_mode():
            found = understand(preparation.of(preparation.spaces[0])[0], REFERENCE, regular=False)
            (one,) = views(found, Workplace(device=torch.device("cpu")))
        drawn.append(one.reference.abs().numpy() * one.scale)
    there = view().there.numpy()
    measured = np.std(drawn, axis=0, ddof=1)[there].mean()
    assert measured == pytest.approx(float(view().deviation[view().there].mean()) * view().scale, rel=0.2)


@pytest.mark.parametrize(
    "check",
    [
        Check.CONSISTENCY,
        Check.STRUCTURE,
        Check.DETAIL,
        Check.LINES,
        Check.COILS,
        Check.HALVES,
        Check.HELD_OUT,
        Check.AGREEMENT,
        Check.RESPONSE,
        Check.UNCERTAINTY,
    ],
)
def test_a_good_slab_passes(check: Check) -> None:
    assert grade(clean(), check) is Grade.PASS, (clean().values, clean().unchecked)


def test_only_some_planes_are_made_again_and_which_is_said() -> None:
    assert clean().notes[Check.RESPONSE] == clean().notes[Check.HELD_OUT]
    assert clean().notes[Check.RESPONSE].startswith("of planes ")
    shown = clean().maps[Check.RESPONSE].any(axis=(0, 1))
    assert shown.sum() == 8, "eight are the fewest"
    assert clean().notes[Check.LINES] == "of the whole slab"
    assert "cost too much" in look(reruns="affordable").unchecked[Check.RESPONSE], "eight of 32, three times"


@pytest.mark.parametrize("sign", [1, -1])
def test_what_was_invented_or_removed_in_a_slab_is_found_where_it_is(sign: int) -> None:
    deviation = clean().deviation
    assert deviation is not None
    z, y, x = 8, 17, 14
    grid = np.meshgrid(*(np.arange(n) for n in MATRIX.as_tuple()), indexing="ij")
    away = sum((each - at) ** 2 for each, at in zip(grid, (z, y, x), strict=True))
    planted = image().pixels + sign * 5 * deviation[z, y, x] * np.exp(-away / (2 * 1.7**2))
    found = look(replace(image(), pixels=np.maximum(planted, 0).astype(np.float32)))
    assert grade(found, Check.STRUCTURE) is Grade.FAIL, found.values
    assert abs(found.frames[Check.STRUCTURE] - z) <= 2
    change = found.maps[Check.CONSISTENCY] - clean().maps[Check.CONSISTENCY]
    assert np.abs(np.subtract(np.unravel_index(change.argmax(), change.shape), (z, y, x))).max() <= 2


def test_a_slab_that_was_smoothed_over_is_found() -> None:
    pixels = image().pixels
    soft = (np.roll(pixels, 1, 2) + 2 * pixels + np.roll(pixels, -1, 2)) / 4
    assert grade(look(replace(image(), pixels=soft)), Check.DETAIL) is not Grade.PASS


def changed(change: Callable[[Samples], None]) -> Scan:
    (readouts,), header = scan()
    samples = readouts.samples.copy()
    change(samples)
    return (replace(readouts, samples=samples),), header


def test_a_spike_in_one_line_of_a_slab_is_found() -> None:
    def spike(samples: Samples) -> None:
        samples[4, :, 20] += np.abs(samples).max() * 0.3

    broken = changed(spike)
    assert grade(look(run(broken, RECIPE), at=broken), Check.LINES) is Grade.FAIL


def test_a_coil_that_fails_beyond_the_calibration_of_a_slab_is_found() -> None:
    outer = ~CALIBRATION[AT_RANDOM]

    def fail(samples: Samples) -> None:
        strongest = int(np.abs(samples).sum(axis=(0, 2)).argmax())
        samples[outer, strongest] *= 0.05

    broken = changed(fail)
    found = look(run(broken, RECIPE), at=broken)
    assert found.values[Check.COILS] > 1.5 * clean().values[Check.COILS]
    assert grade(found, Check.LINES) is Grade.FAIL


def test_lines_of_a_slab_that_are_fewer_than_the_header_says_are_missed() -> None:
    centre = (abs(Z + 0.5) < 4) & (abs(Y + 0.5) < 4)
    random = np.random.default_rng(7)
    whole = (random.random(Z.shape) < 0.4) | centre
    for keep, wanted in ((whole, Grade.PASS), (whole & (centre | (random.random(Z.shape) < 0.4)), Grade.FAIL)):
        acquisition, header = scan(keep)
        encoding = header.encodings[0]
        said = replace(encoding, acceleration=replace(encoding.acceleration, z=1 / float(whole.mean())))
        told = acquisition, replace(header, encodings=(said,))
        found = look(run(told, RECIPE), at=told)
        assert grade(found, Check.SAMPLING) is wanted, found.values


def heads() -> ReadyModel:
    """The shipped cascade, with a card that lets it make planes of slabs."""
    model = Zoo((SHIPPED,)).find("heads")
    card = model.card.model_copy(update={"made_for": MadeFor(encoded=(Encoded.SLABS,))})
    return ReadyModel(recipe=LearnedRecipe(model="heads", allow_tests=True), card=card, weights=model.weights)


def test_planes_that_a_network_began_with_serve_the_checks_and_change_no_value() -> None:
    forgetful, remembering = Preparation(*scan()), Preparation(*scan(), room_bytes=1 << 28)
    (images,) = reconstruct(*scan(), heads(), device="cpu", progress=lambda *_: None, preparation=remembering)
    assert images.model is not None
    alone, shared = (
        evidence_of(each, heads(), images, device="cpu", reruns="never") for each in (forgetful, remembering)
    )
    assert shared.values == pytest.approx(alone.values, rel=1e-3)
    assert shared.seconds[Check.AGREEMENT] > 0
