"""Recipes are compared on scans of which lines were left out: the same lines, flagged as a scanner flags them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gateway.evaluation.compare import Masking, Scan, Trial, compare, leave_out
from gateway.evaluation.page import LABEL_HEIGHT, SIDE, write_page
from gateway.evaluation.report import sections, write_report
from gateway.evaluation.retrospective import encoded_shape, undersampled
from gateway.model.errors import BadScan, WrongCall
from gateway.model.readout import Flag
from gateway.model.recipes import FftRecipe, GrappaRecipe, L1WaveletRecipe, LearnedRecipe, Recipe, SenseRecipe
from gateway.model.training import Pattern
from gateway.model.zyx import Zyx
from gateway.recon import masks
from gateway.recon.networks.ready import ReadyModel
from gateway.recon.phantom import PhantomScan, head_phantom
from gateway.zoo.zoo import SHIPPED, Zoo
from tests.recon.scans import fft, lines_of
from tests.recon.slabs import header_of, slab
from tests.recon.undersampled import HEAD
from tests.recordings import put_phantom
from tests.running import gateway

FULL = replace(HEAD, n_slices=2)
R3 = Masking(pattern=Pattern.EQUISPACED, acceleration=3, n_calibration=24)


def _scan(scan: PhantomScan = FULL, name: str = "head") -> Scan:
    acquisition, header = head_phantom(scan)
    return Scan(name=name, acquisition=acquisition, header=header)


@pytest.fixture(scope="module")
def trials() -> list[Trial]:
    """Two heads, three recipes, of which one refuses."""
    scans = [_scan(), _scan(replace(FULL, seed=2, noise=0.01), "noisy <head>")]
    recipes: dict[str, Recipe] = {"grappa": GrappaRecipe(), "l1": L1WaveletRecipe(), "fft": FftRecipe()}
    return list(compare(scans, recipes, [R3], device="cpu", tell=lambda _: None))


def test_the_lines_of_the_mask_are_kept_and_flagged_as_a_scanner_does_it() -> None:
    full = _scan()
    wanted, wanted_header = head_phantom(replace(FULL, acceleration=3, calibration_lines=24))
    _, n = encoded_shape(full.acquisition, full.header)
    (kept,), header = undersampled(
        full.acquisition, full.header, measured=R3.lines(n), calibration=masks.calibration(n, 24), step=3
    )
    np.testing.assert_array_equal(lines_of(kept), lines_of(wanted[0]))
    assert header.encodings[0].acceleration == wanted_header.encodings[0].acceleration
    centre = kept.flagged(np.uint64(Flag.IS_PARALLEL_CALIBRATION_AND_IMAGING.bit))
    assert sorted(set(lines_of(kept)[centre].tolist())) == list(range(48 - 12, 48 + 12))


def test_readouts_are_left_out_and_none_is_changed() -> None:
    full = _scan()
    _, n = encoded_shape(full.acquisition, full.header)
    (kept,), _ = undersampled(
        full.acquisition, full.header, measured=R3.lines(n), calibration=R3.lines(n) & False, step=3
    )
    (before,) = full.acquisition
    same = np.isin(before.heads["scan_counter"], kept.heads["scan_counter"])
    np.testing.assert_array_equal(kept.samples, before.samples[same])
    np.testing.assert_array_equal(kept.heads, before.heads[same])


def test_a_scan_without_every_line_of_a_slice_is_no_truth() -> None:
    with pytest.raises(BadScan, match="accelerated by 2"):
        list(
            compare(
                [_scan(replace(FULL, acceleration=2))], {"fft": FftRecipe()}, [R3], device="cpu", tell=lambda _: None
            )
        )


SLAB = Scan(name="slab", acquisition=(slab(np.ones((16, 32), np.bool_)),), header=header_of())
SHAPE = (16, 32)


@pytest.mark.parametrize(
    "text", ["equispaced:4:8", "random:4:8", "variable-density:4:8", "poisson-disc:4:8", "centre:4", "equispaced:6:8"]
)
def test_of_slabs_points_of_both_directions_are_left_out(text: str) -> None:
    masking = Masking.parse(text)
    points = masking.points(SHAPE)
    assert points.shape == SHAPE
    assert not points.all(axis=0).any(), "no line is there in every partition"
    assert not points.all(axis=1).any()
    assert points[8, 16]
    assert masking.pattern is Pattern.CENTRE or points[4:12, 12:20].all()
    np.testing.assert_array_equal(points, masking.points(SHAPE))


def test_what_is_left_of_a_slab_is_flagged_and_told_as_a_scanner_does_it() -> None:
    masking = Masking.parse("equispaced:4:8")
    left = leave_out(SLAB, masking)
    (run,) = left.acquisition
    at = run.heads["idx"]["kspace_encode_step_2"], run.heads["idx"]["kspace_encode_step_1"]
    found = np.zeros(SHAPE, np.bool_)
    found[at] = True
    np.testing.assert_array_equal(found, masking.points(SHAPE))
    centre = run.flagged(np.uint64(Flag.IS_PARALLEL_CALIBRATION_AND_IMAGING.bit))
    np.testing.assert_array_equal(centre, masking.middle(SHAPE)[at])
    assert left.header.encodings[0].acceleration == Zyx(z=2.0, y=2.0, x=1.0)


@pytest.mark.parametrize("scan", [_scan(), SLAB], ids=["slices", "slab"])
def test_the_middle_alone_is_a_whole_scan_of_less_resolution(scan: Scan) -> None:
    """So every recipe takes it, and what makes it sharper can be compared with zeros beyond."""
    left = leave_out(scan, Masking.parse("centre:4"))
    series = fft(left.acquisition, left.header)
    assert series.pixels.shape == fft(scan.acquisition, scan.header).pixels.shape
    (trial,) = compare([scan], {"fft": FftRecipe()}, [Masking.parse("centre:4")], device="cpu", tell=lambda _: None)
    assert 0.02 < trial.values["nrmse_object"] < 0.6


def test_recipes_are_compared_on_slabs() -> None:
    recipes: dict[str, Recipe] = {"sense": SenseRecipe(), "l1": L1WaveletRecipe(), "fft": FftRecipe()}
    maskings = [Masking.parse("equispaced:4:8"), Masking.parse("poisson-disc:4:8")]
    trials = list(compare([SLAB], recipes, maskings, device="cpu", tell=lambda _: None))
    values = {(trial.recipe, trial.masking.pattern): trial.values for trial in trials}
    assert values["sense", Pattern.EQUISPACED]["nrmse_object"] < 0.2
    assert values["l1", Pattern.POISSON]["nrmse_object"] < 0.3
    assert not values["fft", Pattern.EQUISPACED]
    every = Masking(pattern=Pattern.EQUISPACED, acceleration=1, n_calibration=0)
    (whole,) = compare([SLAB], {"fft": FftRecipe()}, [every], device="cpu", tell=lambda _: None)
    assert whole.values["nrmse"] == 0


def test_the_whole_scan_compared_with_itself_is_perfect() -> None:
    every = Masking(pattern=Pattern.EQUISPACED, acceleration=1, n_calibration=0)
    (trial,) = compare([_scan()], {"fft": FftRecipe()}, [every], device="cpu", tell=lambda _: None)
    assert trial.values["nrmse"] == 0


def test_a_recipe_that_refuses_is_told_with_its_reason(trials: list[Trial]) -> None:
    refused = [trial for trial in trials if trial.recipe == "fft"]
    assert all("needs all lines" in trial.refused and trial.image is None for trial in refused)
    assert {trial.recipe for trial in trials if not trial.refused} == {"grappa", "l1"}


def test_the_best_of_each_number_is_marked(trials: list[Trial]) -> None:
    (section,) = sections(trials)
    rows = {row.recipe: row for row in section.rows}
    means = {name: row.summaries["nrmse"].mean for name, row in rows.items() if row.summaries}
    assert [name for name, row in rows.items() if "nrmse" in row.best] == [min(means, key=lambda name: means[name])]
    assert rows["grappa"].summaries["nrmse"].n == 2


def test_the_report_needs_nothing_else_and_repeats_names_harmlessly(trials: list[Trial], tmp_path: Path) -> None:
    page = write_report(trials, tmp_path / "new" / "report").read_text()
    assert "noisy &lt;head&gt;" in page
    assert "<head>" in page
    assert page.count("<head>") == 1
    assert "http" not in page.replace("http-equiv", "")
    values = json.loads((tmp_path / "new" / "report" / "values.json").read_text())
    assert {one["recipe"] for one in values} == {"grappa", "l1", "fft"}
    assert not list((tmp_path / "new" / "report").glob(".*"))


@pytest.mark.parametrize("text", ["foo:3", "random", "random:x", "random:4:8:1", "equispaced:0", ""])
def test_a_mask_that_is_none_says_so(text: str) -> None:
    with pytest.raises(WrongCall, match="mask"):
        Masking.parse(text)


@pytest.mark.parametrize("text", ["random:4", "variable-density:3:16", "equispaced:4:20"])
def test_a_mask_keeps_the_share_that_it_says(text: str) -> None:
    masking = Masking.parse(text)
    lines = masking.lines(240)
    assert masks.calibration(240, masking.n_calibration)[lines].sum() == masking.n_calibration
    if masking.pattern is not Pattern.EQUISPACED:
        assert lines.sum() == 240 // masking.acceleration
    np.testing.assert_array_equal(lines, masking.lines(240))


def test_more_calibration_than_the_acceleration_leaves_is_refused() -> None:
    with pytest.raises(WrongCall, match="24 calibration lines of 96 are more than acceleration 8 leaves"):
        Masking.parse("random:8").lines(96)


def test_poisson_discs_keep_their_distance_and_the_share_that_is_asked() -> None:
    found = masks.poisson_disc(48, 64, acceleration=6, n_calibration=8, random=np.random.default_rng(1))
    assert found.size / found.sum() == pytest.approx(6, rel=0.1)
    outer = found.copy()
    outer[12:36, 16:48] = False
    at = np.argwhere(outer)
    apart = np.hypot(*(at[:, None] - at[None]).transpose(2, 0, 1))
    assert apart[~np.eye(len(at), dtype=bool)].min() > 1.9


def test_the_command_writes_a_report_and_says_where(tmp_path: Path) -> None:
    scan = put_phantom(tmp_path / "scans" / "head.mrd", FULL)
    done = gateway(
        "evaluate", scan.parent, "--recipe", "grappa", "--mask", "equispaced:2", "--out", tmp_path / "report"
    )
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "report" / "report.html") in done.stdout
    assert "head" in (tmp_path / "report" / "report.html").read_text()


def test_a_recipe_that_the_routes_do_not_know_is_told_the_known_ones(tmp_path: Path) -> None:
    done = gateway("evaluate", tmp_path, "--recipe", "grapa", "--out", tmp_path / "report")
    assert (done.returncode, "known are: auto" in done.stderr) == (2, True)
    assert not (tmp_path / "report").exists()


def test_the_page_ranks_recipes_and_shows_images_over_their_errors(trials: list[Trial], tmp_path: Path) -> None:
    write_page(trials, tmp_path / "quality.md", title="Heads", learned=frozenset({"l1"}))
    text = (tmp_path / "quality.md").read_text()
    lines = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| recipe")]
    rows = [line.split("|")[1].strip() for line in lines]
    assert rows.count("*l1*") == 2
    assert rows[2] == "fft", "what refuses stands last"
    assert "| fft | refused: " in text
    assert "**" in text
    pictures = sorted((tmp_path / "quality").glob("case-*.png"))
    assert len(pictures) == 2
    with Image.open(pictures[0]) as picture:
        assert picture.size == (3 * SIDE, LABEL_HEIGHT + 2 * SIDE), "truth and two recipes, over their errors"


def test_scans_whose_images_may_not_be_passed_on_are_figures_alone(trials: list[Trial], tmp_path: Path) -> None:
    page = tmp_path / "quality.md"
    write_page(trials, page, title="Heads", learned=frozenset(), hidden=frozenset({"head"}))
    assert "Of head there are figures only" in page.read_text()
    assert page.read_text().count("| grappa |") == 2
    assert len(list((tmp_path / "quality").glob("case-*.png"))) == 1


def test_a_fallbacks_image_is_not_taken_for_that_of_the_network() -> None:
    """The card of `heads` is for 32 coils at most, and four at least."""
    model = Zoo([SHIPPED]).find("heads")
    ready = ReadyModel(
        recipe=LearnedRecipe(model="heads", allow_tests=True, fallback=L1WaveletRecipe()),
        card=model.card,
        weights=model.weights,
    )
    few = replace(FULL, n_slices=1, n_coils=2)
    (trial,) = compare([_scan(few)], {"heads": ready}, [R3], device="cpu", tell=lambda _: None)
    assert trial.image is None
    assert "was not used: number of coils is 2" in trial.refused
