"""Radial and spiral images are checked at their measured samples: what is right passes, what was planted fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
import torch

from gateway.model.gate import Check, Grade, Measured
from gateway.model.header import Limit, ScanHeader
from gateway.model.image import ImageSeries
from gateway.model.recipes import CgNufftRecipe, NufftRecipe, Recipe
from gateway.quality.ruling import assess
from gateway.recon.checks.evidence import Evidence
from gateway.recon.checks.points import of_points
from gateway.recon.checks.recording import evidence_of
from gateway.recon.checks.view import View
from gateway.recon.preparation import Preparation
from gateway.recon.workplace import Workplace
from tests.recon.scattered import FEW_SPOKES, SPIRAL, SPOKES, scattered_head
from tests.recon.slabs import header_of, stack_of_stars
from tests.recon.undersampled import Scan, run

RECIPE = CgNufftRecipe()
SCANS = {"radial": SPOKES, "few spokes": FEW_SPOKES, "spiral": SPIRAL}
Samples = npt.NDArray[np.complex64]


@cache
def scan(name: str = "radial") -> Scan:
    readouts, header = scattered_head(SCANS[name])
    noise = 0.02 * np.random.default_rng(2).standard_normal((*readouts.samples.shape, 2))
    noisy = (readouts.samples + noise.view(np.complex128)[..., 0]).astype(np.complex64)
    return (replace(readouts, samples=noisy),), header


@cache
def image(name: str = "radial") -> ImageSeries:
    return run(scan(name), RECIPE)


def look(
    images: ImageSeries | None = None, *, at: Scan | None = None, recipe: Recipe = RECIPE, reruns: str = "never"
) -> Evidence:
    return evidence_of(Preparation(*(at or scan())), recipe, images or image(), device="cpu", reruns=reruns)


@cache
def clean(name: str = "radial") -> Evidence:
    return look(image(name), at=scan(name), reruns="always")


def grade(found: Evidence, check: Check) -> Grade:
    return assess(Measured(check=check, value=found.values.get(check))).grade


@cache
def view() -> View:
    preparation = Preparation(*scan())
    with torch.inference_mode():
        subject = of_points(preparation.of(preparation.spaces[0])[0], RECIPE)
        return next(subject.views(Workplace(device=torch.device("cpu"))))


def test_what_would_be_measured_along_spokes_and_what_it_is_brought_back_by_are_adjoint_by_density() -> None:
    random = torch.Generator().manual_seed(1)
    image_like = torch.randn(view().reference.shape, dtype=torch.complex64, generator=random)
    data_like = torch.randn(view().data.shape, dtype=torch.complex64, generator=random)
    with torch.inference_mode():
        left = (view().seen(image_like).conj() * data_like * view().encoding.weights).sum()
        right = (image_like.conj() * view().back(data_like)).sum()
    assert abs(complex(left - right)) < 1e-3 * abs(complex(left))


def test_what_is_left_of_noise_along_spokes_is_what_is_said() -> None:
    noise = torch.randn(view().data.shape, dtype=torch.complex64, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        seen = view().encoding.weights > 0
        back = view().back(noise * seen)
        patient = view().encoding.maps.abs().square().sum(dim=0) > 0.9  # type: ignore[attr-defined] # of points
        assert float(back[patient].abs().square().mean()) == pytest.approx(view().encoding.kept(0.0)[0], rel=0.1)


@pytest.mark.parametrize("name", SCANS)
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
def test_a_good_image_passes(name: str, check: Check) -> None:
    assert grade(clean(name), check) is Grade.PASS, (clean(name).values, clean(name).unchecked)


@pytest.mark.parametrize("name", SCANS)
@pytest.mark.parametrize("sign", [1, -1])
def test_what_was_invented_or_removed_contradicts_the_samples_where_it_is(name: str, sign: int) -> None:
    deviation = clean(name).deviation
    assert deviation is not None
    rows, columns = np.mgrid[:64, :64]
    lesion = sign * 5 * deviation[1, 34, 28] * np.exp(-((rows - 34) ** 2 + (columns - 28) ** 2) / (2 * 1.7**2))
    planted = image(name).pixels.copy()
    planted[1] = np.maximum(planted[1] + lesion, 0)
    found = look(replace(image(name), pixels=planted), at=scan(name))
    assert grade(found, Check.STRUCTURE) is Grade.FAIL, found.values
    assert found.frames[Check.STRUCTURE] == 1
    change = found.maps[Check.CONSISTENCY][1] - clean(name).maps[Check.CONSISTENCY][1]
    assert np.abs(np.subtract(np.unravel_index(change.argmax(), change.shape), (34, 28))).max() <= 2


def test_an_image_of_other_spokes_differs_from_the_conventional_one() -> None:
    mixed = 0.5 * image().pixels + 0.5 * image().pixels[:, ::-1]
    found = look(replace(image(), pixels=mixed.astype(np.float32)))
    assert grade(found, Check.AGREEMENT) is not Grade.PASS
    assert grade(found, Check.CONSISTENCY) is not Grade.PASS


def test_gridding_alone_contradicts_what_few_spokes_measured() -> None:
    few = scan("few spokes")
    asked = NufftRecipe(coils="inati")
    values = look(run(few, asked), at=few, recipe=asked).values
    assert values[Check.CONSISTENCY] > 3 * clean("few spokes").values[Check.CONSISTENCY]


def changed(change: Callable[[Samples, npt.NDArray[np.float64]], Samples]) -> Scan:
    """Change samples by how far in the course of its slice each readout came."""
    (readouts,), header = scan()
    course = readouts.heads["idx"]["kspace_encode_step_1"] / (len(SPOKES) - 1)
    return (replace(readouts, samples=change(readouts.samples.copy(), course).astype(np.complex64)),), header


def spike(samples: Samples, _course: npt.NDArray[np.float64]) -> Samples:
    samples[5, :, samples.shape[2] // 2 + 12] += np.abs(samples).max() * 0.3
    return samples


def lose_a_coil(samples: Samples, course: npt.NDArray[np.float64]) -> Samples:
    samples[course > 0.5, int(np.abs(samples).sum(axis=(0, 2)).argmax())] *= 0.05
    return samples


def drift(samples: Samples, course: npt.NDArray[np.float64]) -> Samples:
    rate = np.array([0.8, -0.5, 0.3, 0.0])
    return np.asarray(samples * np.exp(1j * course[:, None] * rate)[..., None], np.complex64)


@pytest.mark.parametrize(
    ("plant", "check"),
    [(spike, Check.LINES), (lose_a_coil, Check.COILS), (drift, Check.COILS)],
    ids=["spike", "a coil that fails", "coils that drift"],
)
def test_faults_of_the_data_are_found(plant: Callable[..., Samples], check: Check) -> None:
    broken = changed(plant)
    found = look(run(broken, RECIPE), at=broken)
    assert found.values[check] > 2 * clean().values[check]
    assert grade(found, check) is not Grade.PASS, found.values


def test_readouts_that_are_fewer_than_the_header_says_are_missed() -> None:
    acquisition, header = scan()
    assert clean().unchecked[Check.SAMPLING].startswith("the header does not say")
    few, few_header = scan("few spokes")
    cases = (
        (acquisition, header, 100, Grade.PASS),
        (few, few_header, 30, Grade.PASS),
        (few, few_header, 100, Grade.FAIL),
    )
    for readouts, about, said, wanted in cases:
        told = readouts, saying(about, said)
        assert grade(look(run(told, RECIPE), at=told), Check.SAMPLING) is wanted


def test_readouts_that_leave_no_gap_are_not_missed_whatever_the_limits_of_a_cartesian_header_say() -> None:
    acquisition, header = scan()
    assert grade(look(at=(acquisition, saying(header, 256))), Check.SAMPLING) is Grade.PASS


def saying(header: ScanHeader, n_readouts: int) -> ScanHeader:
    encoding = header.encodings[0]
    limits = {**encoding.limits, "kspace_encoding_step_1": Limit(minimum=0, maximum=n_readouts - 1, center=0)}
    return replace(header, encodings=(replace(encoding, limits=limits),))


def test_frames_of_some_spokes_are_checked_frame_by_frame() -> None:
    asked = CgNufftRecipe(spokes_per_frame=50)
    found = look(run(scan(), asked), recipe=asked, reruns="always")
    assert grade(found, Check.STRUCTURE) is Grade.PASS
    assert Check.HELD_OUT in found.values, found.unchecked
    assert found.maps[Check.CONSISTENCY].shape == (4, 64, 64)


def test_a_stack_of_stars_is_checked_as_a_volume() -> None:
    at = (stack_of_stars(50),), header_of("radial")
    found = look(run(at, RECIPE), at=at, reruns="always")
    assert {Check.CONSISTENCY, Check.STRUCTURE, Check.LINES, Check.HELD_OUT, Check.RESPONSE} <= found.values.keys()
    assert found.maps[Check.AGREEMENT].shape[0] == 16
