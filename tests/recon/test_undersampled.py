"""Undersampled scans become the image of the whole one, by every method; what is missing is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gateway.evaluation import retrospective
from gateway.model.errors import BadScan, IncompleteScan
from gateway.model.header import ScanHeader
from gateway.model.readout import Flag, Readouts
from gateway.model.recipes import (
    AutoRecipe,
    CgSenseRecipe,
    FftRecipe,
    GrappaRecipe,
    L1SpiritRecipe,
    Recipe,
    SenseRecipe,
    SpiritRecipe,
)
from gateway.mrd.files import read_scan
from gateway.mrd.header import parse_header
from gateway.recon import masks
from gateway.recon.phantom import head_phantom
from tests.recon.scans import encoded, fft, lines_of, slab
from tests.recon.undersampled import HEAD, error, run, undersampled, whole

METHODS: dict[str, Recipe] = {
    recipe.method: recipe
    for recipe in (GrappaRecipe(), SenseRecipe(), CgSenseRecipe(), SpiritRecipe(), L1SpiritRecipe(steps=20))
}


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(("step", "limit"), [(2, 0.03), (3, 0.07)])
def test_an_undersampled_scan_becomes_the_image_of_the_whole_one(name: str, step: int, limit: float) -> None:
    scan = undersampled(step)
    found = error(run(scan, METHODS[name]).pixels, whole())
    assert found < limit


@pytest.mark.parametrize("name", METHODS)
def test_scaling_the_data_scales_the_image(name: str) -> None:
    (readouts,), header = undersampled(2)
    larger = Readouts(readouts.heads, readouts.samples * np.float32(1e9), readouts.trajectory)
    plain = run(((readouts,), header), METHODS[name]).pixels
    np.testing.assert_allclose(run(((larger,), header), METHODS[name]).pixels, plain * 1e9, rtol=1e-2, atol=1e6)


@pytest.mark.parametrize("name", METHODS)
def test_the_order_of_coils_does_not_matter(name: str) -> None:
    (readouts,), header = undersampled(2)
    turned = Readouts(readouts.heads, readouts.samples[:, ::-1], readouts.trajectory)
    plain = run(((readouts,), header), METHODS[name]).pixels
    assert error(run(((turned,), header), METHODS[name]).pixels, plain) < 2e-3


def test_a_missing_line_of_the_pattern_is_named() -> None:
    (readouts,), header = undersampled(3)
    lines = lines_of(readouts)
    scan = ((readouts.select(lines != 12),), header)
    with pytest.raises(IncompleteScan, match=r"lacks 1 of 32 lines \(12\) of every 3. line"):
        run(scan, GrappaRecipe())


@pytest.mark.parametrize("step", [2, 3])
def test_a_recipe_that_needs_all_lines_says_that_the_scan_is_accelerated_and_not_that_lines_are_lost(step: int) -> None:
    with pytest.raises(BadScan, match=f"accelerated by {step}; recipe fft needs all lines: use auto, grap") as refusal:
        run(undersampled(step), FftRecipe())
    assert not isinstance(refusal.value, IncompleteScan)


def test_an_accelerated_scan_that_has_lost_a_line_is_incomplete_for_every_recipe() -> None:
    (readouts,), header = undersampled(3)
    with pytest.raises(IncompleteScan, match=r"lacks 1 of 32 lines \(12\) of every 3. line; recipe fft needs all"):
        run(((readouts.select(lines_of(readouts) != 12),), header), FftRecipe())


def test_part_of_a_whole_scan_is_not_taken_for_an_accelerated_one() -> None:
    (readouts,), header = head_phantom(HEAD)
    scan = ((readouts.select((lines_of(readouts) >= 20) & (lines_of(readouts) < 78)),), header)
    with pytest.raises(IncompleteScan, match="lacks 38 of 96 lines"):
        run(scan, AutoRecipe())


def test_a_calibration_that_is_too_small_is_refused() -> None:
    with pytest.raises(BadScan, match="4 calibration lines are too few"):
        run(undersampled(4, calibration_lines=4), SenseRecipe())
    with pytest.raises(BadScan, match="too few for a kernel"):
        run(undersampled(4, calibration_lines=12), GrappaRecipe())


def test_one_coil_cannot_unfold() -> None:
    with pytest.raises(BadScan, match="by one coil alone"):
        run(undersampled(2, scan=replace(HEAD, n_coils=1)), AutoRecipe())


def test_a_separate_reference_is_never_mixed_into_the_image() -> None:
    (readouts,), header = undersampled(2)
    plain = run(((readouts,), header), GrappaRecipe()).pixels
    extra = readouts.flagged(np.uint64(Flag.IS_PARALLEL_CALIBRATION.bit))
    both = readouts.flagged(np.uint64(Flag.IS_PARALLEL_CALIBRATION_AND_IMAGING.bit))
    heads = readouts.heads[both].copy()
    heads["flags"] = Flag.IS_PARALLEL_CALIBRATION.bit
    image = readouts.select(~extra)
    image.heads["flags"][image.flagged(np.uint64(Flag.IS_PARALLEL_CALIBRATION_AND_IMAGING.bit))] = 0
    reference = Readouts(
        np.concatenate([readouts.heads[extra], heads]),
        np.concatenate([readouts.samples[extra], readouts.samples[both]]) * np.complex64(3 + 1j),
        np.concatenate([readouts.trajectory[extra], readouts.trajectory[both]]),
    )
    series = run(((reference, image), encoded(header, calibration_mode="separate")), GrappaRecipe())
    assert error(series.pixels, plain) < 0.02
    assert any("separate reference" in note for note in series.notes)


@pytest.mark.parametrize(
    ("step", "name"), [(1, "fft"), (2, "grappa"), (4, "spirit")], ids=["whole", "one in 2", "one in 4"]
)
def test_auto_picks_by_what_was_measured_and_says_why(step: int, name: str) -> None:
    series = run(undersampled(step, calibration_lines=24 if step > 1 else 0), AutoRecipe())
    assert series.notes[0].startswith(f"Recipe {name} chosen: ")
    assert error(series.pixels, whole()) < 0.12


def test_a_slab_is_unfolded_along_both_axes() -> None:
    readouts, header = slab(16, filled=(6, 9))
    idx = readouts.heads["idx"]
    y, z = lines_of(readouts) - 32, idx["kspace_encode_step_2"].astype(int) - 8
    y = y.astype(np.int16).astype(int)
    calibration = (abs(y) <= 10) & (abs(z) <= 6)
    kept = ((y % 2 == 0) & (z % 2 == 0)) | calibration
    accelerated = encoded(header, acceleration=replace(header.encodings[0].acceleration, y=2.0, z=2.0))
    truth = fft((readouts,), header).pixels
    series = run(((readouts.select(kept),), accelerated), GrappaRecipe(kernel_lines=2, kernel_samples=3))
    assert error(series.pixels, truth) < 0.35


@pytest.mark.parametrize(("name", "limit"), [("brain_16ch_r2_acs20", 0.02), ("brain_4ch_r2_acs24", 0.04)])
def test_a_real_undersampled_head_is_the_fully_sampled_one(shared_data: Path, name: str, limit: float) -> None:
    images = [
        run((scan.acquisition, parse_header(scan.header_xml)), AutoRecipe()).pixels
        for scan in (
            read_scan(shared_data / "mrd" / f"{each}.h5") for each in (name, name.partition("_r2")[0] + "_full")
        )
    ]
    assert error(*images) < limit


@pytest.mark.parametrize("noise", [0.0005, 0.02])
@pytest.mark.parametrize(("recipe", "fixed"), [(GrappaRecipe, 1e-4), (SpiritRecipe, 1e-3)], ids=["grappa", "spirit"])
def test_kernels_are_held_down_by_the_noise(noise: float, recipe: type[GrappaRecipe], fixed: float) -> None:
    """What is right for a noisy scan is too much for a quiet one."""
    scan = undersampled(4, scan=replace(HEAD, noise=noise))
    by_noise = error(run(scan, recipe()).pixels, whole())
    assert by_noise < 0.98 * error(run(scan, recipe(regularisation=fixed)).pixels, whole())


def thinned(
    measured: np.ndarray[tuple[int], np.dtype[np.bool_]], *, told: int
) -> tuple[tuple[Readouts, ...], ScanHeader]:
    """Leave lines out; the header tells so many times fewer."""
    acquisition, header = head_phantom(HEAD)
    centre = masks.calibration(HEAD.matrix.y, 16)
    runs, header = retrospective.undersampled(acquisition, header, measured=measured, calibration=centre, step=told)
    return tuple(runs), header


@pytest.mark.parametrize("draw", [masks.random_lines, masks.variable_density], ids=["random", "variable density"])
def test_auto_takes_sparsity_for_lines_in_no_regular_pattern(draw: Callable[..., masks.Bools]) -> None:
    lines = draw(HEAD.matrix.y, acceleration=3, n_calibration=16, random=np.random.default_rng(1))
    made = run(thinned(lines, told=3), AutoRecipe())
    assert made.notes[0] == "Recipe l1-wavelet chosen: 33% of the lines were measured, in no regular pattern."
    assert error(made.pixels, whole()) < 0.15
    with pytest.raises(IncompleteScan, match="lacks 64 of 96 lines"):  # the header says that every line was measured
        run(thinned(lines, told=1), AutoRecipe())


@pytest.mark.parametrize("step", [2, 3, 4])
@pytest.mark.parametrize("n_lost", [1, 3])
def test_lost_lines_of_a_pattern_are_no_pattern_of_their_own(step: int, n_lost: int) -> None:
    random = np.random.default_rng(step)
    lines = masks.equispaced(HEAD.matrix.y, step=step, n_calibration=16)
    outside = np.flatnonzero(lines & (abs(np.arange(96) - 48) > 8))
    lines[random.choice(outside, n_lost, replace=False)] = False
    with pytest.raises(IncompleteScan, match=r"lacks \d of"):
        run(thinned(lines, told=step), AutoRecipe())
