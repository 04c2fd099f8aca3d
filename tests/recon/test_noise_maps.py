"""Maps of the noise say what repeated scans show; series are what the recipe asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from pydantic import ValidationError

from gateway.model.image import ImageKind, ImageSeries, Pixels
from gateway.model.readout import Acquisition, Flag, Readouts
from gateway.model.recipes import (
    CgNufftRecipe,
    CgSenseRecipe,
    FftRecipe,
    GrappaRecipe,
    L1WaveletRecipe,
    NufftRecipe,
    Recipe,
    SenseRecipe,
)
from gateway.recon.engine import reconstruct
from tests.recon.scans import encoded
from tests.recon.scattered import SPOKES, scattered_head
from tests.recon.undersampled import HEAD, Scan, undersampled

MAGNITUDE, NOISE, SNR, G_FACTOR = ImageKind.MAGNITUDE, ImageKind.NOISE, ImageKind.SNR, ImageKind.G_FACTOR
SMALL = replace(HEAD, matrix=replace(HEAD.matrix, y=48, x=48), n_coils=6, noise=0.0)
LEVEL = 0.02
"""Of the noise of a complex sample."""


def series_of(scan: Scan, recipe: Recipe) -> Mapping[ImageKind, ImageSeries]:
    made = reconstruct(*scan, recipe, device="cpu", progress=lambda *_: None)
    return {series.kind: series for series in made}


def pixels_of(scan: Scan, recipe: Recipe) -> Mapping[ImageKind, Pixels]:
    return {kind: series.pixels[0] for kind, series in series_of(scan, recipe).items()}


def with_noise(scan: Scan, seed: int, *, level: float = LEVEL) -> Scan:
    """Add white noise to a quiet scan, and readouts in front of it that measure the noise."""
    (run,), header = scan
    random = np.random.default_rng(seed)

    def drawn(shape: tuple[int, ...]) -> npt.NDArray[np.complex64]:
        return (level / 2**0.5 * random.standard_normal((*shape, 2))).view(np.complex128)[..., 0].astype(np.complex64)

    heads = np.tile(run.heads[:1], 40)
    heads["flags"] = Flag.IS_NOISE_MEASUREMENT.bit
    shape = run.samples.shape[1:]
    scanned = Readouts(run.heads, run.samples + drawn(run.samples.shape), run.trajectory)
    noise = Readouts(heads, drawn((40, *shape)), np.zeros((40, shape[-1], run.trajectory.shape[-1]), np.float32))
    return (noise, scanned), header


def separate_reference(scan: Scan) -> Scan:
    """Let calibration lines be no lines of the image."""
    acquisition, header = scan
    return tuple(acquisition), encoded(header, calibration_mode="separate")


CARTESIAN: dict[str, tuple[Scan, Recipe]] = {
    "fft": (undersampled(1, scan=SMALL, calibration_lines=0), FftRecipe(coils="rss")),
    "fft, inati": (undersampled(1, scan=SMALL, calibration_lines=0), FftRecipe(coils="inati")),
    "sense": (undersampled(3, scan=SMALL, calibration_lines=16), SenseRecipe()),
    "sense, two sets": (undersampled(2, scan=SMALL, calibration_lines=16), SenseRecipe(map_sets=2)),
    "grappa": (separate_reference(undersampled(3, scan=SMALL, calibration_lines=16)), GrappaRecipe()),
    "grappa, walsh": (undersampled(2, scan=SMALL, calibration_lines=16), GrappaRecipe(coils="walsh")),
    "nufft": (((scattered_head(SPOKES)[0],), scattered_head(SPOKES)[1]), NufftRecipe()),
}


def bright(image: Pixels) -> npt.NDArray[np.bool_]:
    """Say where there is enough signal for the noise of a magnitude to be that of its real part."""
    return np.asarray(image > 0.25 * np.percentile(image, 99))


@pytest.mark.parametrize("name", CARTESIAN)
def test_the_map_in_closed_form_is_what_replicas_measure(name: str) -> None:
    scan, recipe = CARTESIAN[name]
    n = 60 if name != "nufft" else 16
    noisy = with_noise(scan, 1)
    closed = pixels_of(noisy, recipe.model_copy(update={"output": (MAGNITUDE, NOISE)}))
    measured = pixels_of(noisy, recipe.model_copy(update={"output": (NOISE,), "replicas": n}))
    there = bright(closed[MAGNITUDE])
    ratio = measured[NOISE][there] / closed[NOISE][there]
    # A deviation from n values is known to 1 in sqrt(2 (n - 1)); variances have no bias, and means of many know better.
    assert np.sqrt(np.mean(ratio**2)) == pytest.approx(1, abs=0.02)
    assert np.std(ratio) < 1.3 / np.sqrt(2 * (n - 1))


@pytest.mark.parametrize("name", ["fft", "sense", "grappa, walsh"])
def test_replicas_measure_what_repeated_scans_show(name: str) -> None:
    scan, recipe = CARTESIAN[name]
    again = [pixels_of(with_noise(scan, seed), recipe)[MAGNITUDE] for seed in range(2, 26)]
    told = pixels_of(with_noise(scan, 1), recipe.model_copy(update={"output": (MAGNITUDE, NOISE)}))
    there = bright(told[MAGNITUDE])
    ratio = np.std(again, axis=0, ddof=1)[there] / told[NOISE][there]
    assert np.sqrt(np.mean(ratio**2)) == pytest.approx(1, abs=0.05)


def test_one_unit_of_snr_is_one_deviation_of_the_noise() -> None:
    scan, recipe = CARTESIAN["fft"]
    asked = recipe.model_copy(update={"output": (MAGNITUDE, SNR, NOISE, G_FACTOR)})
    made = pixels_of(with_noise(scan, 1), asked)
    np.testing.assert_allclose(made[SNR], made[MAGNITUDE] / made[NOISE], rtol=1e-5)
    np.testing.assert_allclose(made[G_FACTOR], 1, rtol=1e-5)
    # The scan is white after its noise was measured: one complex sample has power 1, its real part half of that.
    np.testing.assert_allclose(made[NOISE], 0.5**0.5, rtol=1e-5)


def test_a_scan_of_double_the_noise_has_half_the_snr() -> None:
    scan, recipe = CARTESIAN["sense"]
    asked = recipe.model_copy(update={"output": (SNR,)})
    quiet, loud = (pixels_of(with_noise(scan, 1, level=level), asked)[SNR] for level in (LEVEL, 2 * LEVEL))
    there = quiet > 10
    assert np.median(quiet[there] / loud[there]) == pytest.approx(2, rel=0.1)


def test_the_g_factor_grows_with_acceleration_and_is_one_for_none() -> None:
    means = []
    for step in (1, 2, 3, 4):
        scan = with_noise(separate_reference(undersampled(step, scan=SMALL, calibration_lines=16)), 1)
        recipe = (FftRecipe if step == 1 else GrappaRecipe)(output=(MAGNITUDE, G_FACTOR))
        made = pixels_of(scan, recipe)
        means.append(made[G_FACTOR][bright(made[MAGNITUDE])].mean())
    assert means[0] == pytest.approx(1, rel=1e-3)
    assert means == sorted(means)
    assert means[3] > 1.3


def test_spokes_cost_what_their_density_costs() -> None:
    """Weights that grow with the radius waste ``<w^2> / <w>^2 = 4/3`` of the noise's power."""
    scan, _ = CARTESIAN["nufft"]
    g = pixels_of(scan, NufftRecipe(output=(G_FACTOR,)))[G_FACTOR]
    np.testing.assert_allclose(g, (4 / 3) ** 0.5, rtol=0.03)


@pytest.mark.parametrize("recipe", [CgSenseRecipe(), L1WaveletRecipe(steps=8)], ids=["cg-sense", "l1-wavelet"])
def test_a_method_without_a_closed_form_is_measured_by_replicas(recipe: Recipe) -> None:
    scan = with_noise(undersampled(2, scan=SMALL, calibration_lines=16), 1)
    made = pixels_of(scan, recipe.model_copy(update={"output": (MAGNITUDE, G_FACTOR), "replicas": 8}))
    g = made[G_FACTOR][bright(made[MAGNITUDE])]
    assert 0.3 < g.mean() < 2


def test_replicas_of_spokes_agree_with_what_iterations_leave() -> None:
    scan, _ = CARTESIAN["nufft"]
    recipe = CgNufftRecipe(output=(MAGNITUDE, G_FACTOR), replicas=4, steps=3)
    made = pixels_of(with_noise(scan, 1), recipe)
    assert 0.5 < made[G_FACTOR][bright(made[MAGNITUDE])].mean() < 1.5


def test_averaged_lines_halve_the_power_of_the_noise() -> None:
    scan, recipe = CARTESIAN["fft"]
    (noise, run), header = with_noise(scan, 1)
    twice: Acquisition = (noise, run, run)
    asked = recipe.model_copy(update={"output": (NOISE,)})
    once, averaged = (pixels_of((runs, header), asked)[NOISE] for runs in ((noise, run), twice))
    np.testing.assert_allclose(averaged, once / 2**0.5, rtol=1e-5)


@pytest.mark.parametrize(
    "recipe",
    [FftRecipe(coils="walsh"), FftRecipe(), GrappaRecipe(), SenseRecipe()],
    ids=["fft by walsh", "fft", "grappa", "sense"],
)
def test_magnitude_and_phase_are_those_of_the_complex_image(recipe: Recipe) -> None:
    scan = undersampled(2 if recipe.method != "fft" else 1, scan=SMALL, calibration_lines=16)
    kinds = (MAGNITUDE, ImageKind.PHASE, ImageKind.REAL, ImageKind.IMAGINARY, ImageKind.COMPLEX)
    made = pixels_of(scan, recipe.model_copy(update={"output": kinds}))
    whole = made[ImageKind.COMPLEX]
    assert whole.dtype == np.complex64
    np.testing.assert_allclose(made[MAGNITUDE], np.abs(whole), rtol=1e-5)
    np.testing.assert_allclose(made[ImageKind.REAL] + 1j * made[ImageKind.IMAGINARY], whole, rtol=1e-5)
    np.testing.assert_allclose(np.exp(1j * made[ImageKind.PHASE]) * np.abs(whole), whole, atol=1e-5)


def test_series_share_their_places_and_differ_in_kind() -> None:
    made = series_of(undersampled(1, scan=SMALL, calibration_lines=0), FftRecipe(output=(MAGNITUDE, ImageKind.PHASE)))
    assert list(made) == [MAGNITUDE, ImageKind.PHASE]
    assert made[MAGNITUDE].frames == made[ImageKind.PHASE].frames


def test_a_sum_of_squares_has_no_phase_and_says_so_at_once() -> None:
    with pytest.raises(ValidationError, match="no phase"):
        FftRecipe(coils="rss", output=(ImageKind.PHASE,))
    with pytest.raises(ValidationError, match="twice"):
        SenseRecipe(output=(MAGNITUDE, MAGNITUDE))
    with pytest.raises(ValidationError, match="two need espirit"):
        SenseRecipe(map_sets=2, coils="walsh")
