"""The robustness lab: harder scans make worse images, structures come out, and the worst is worse than chance."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import typer

from gateway.cli_research import evaluate
from gateway.evaluation.compare import Scan
from gateway.evaluation.robustness import Curve, Effort, RobustnessCard, stress
from gateway.evaluation.robustness_report import SUMMED_UP, drawn, summed_up, write_robustness
from gateway.evaluation.stress import STRESSES, one_slice, thinned
from gateway.evaluation.structures import SHAPES, gain, placed
from gateway.model.errors import BadScan
from gateway.model.recipes import (
    CgSenseRecipe,
    FftRecipe,
    GrappaRecipe,
    L1SpiritRecipe,
    L1WaveletRecipe,
    LearnedRecipe,
    Recipe,
    SenseRecipe,
    SpiritRecipe,
    TvRecipe,
)
from gateway.model.zyx import Zyx
from gateway.recon.checks.bench import Bench, on_bench
from gateway.recon.checks.forward import DIFFERENTIABLE, forward_of
from gateway.recon.checks.worst_case import Budget, Search, worst_case
from gateway.recon.networks.ready import ReadyModel
from gateway.recon.phantom import PhantomScan, head_phantom
from gateway.recon.preparation import Preparation
from gateway.reconstruction import ready
from gateway.zoo.zoo import SHIPPED, Zoo
from tests.recon.slabs import header_of, slab, stack_of_stars
from tests.recordings import put_phantom
from tests.running import gateway

HEAD = PhantomScan(n_slices=1, n_coils=6, matrix=Zyx(z=1, y=64, x=64), noise=0.01, seed=1)


def scan(phantom: PhantomScan = HEAD) -> Scan:
    acquisition, header = head_phantom(phantom)
    return Scan(name="head", acquisition=acquisition, header=header)


@pytest.fixture(scope="module")
def card() -> RobustnessCard:
    (found,) = stress([scan()], {"sense": SenseRecipe()}, Effort(device="cpu"), lambda _: None)
    return found


def values(card: RobustnessCard, name: str, number: str = "nrmse_object") -> dict[float, float]:
    (curve,) = (one for one in card.curves if one.name == name)
    return {dot.at: dot.values[number] for dot in curve.dots if number in dot.values}


@pytest.mark.parametrize("name", ["acceleration", "noise", "motion"])
def test_what_makes_a_scan_harder_makes_its_image_worse(card: RobustnessCard, name: str) -> None:
    curve = values(card, name)
    assert curve[max(curve)] > 1.5 * curve[min(curve)]


def test_units_and_the_order_of_coils_change_nothing(card: RobustnessCard) -> None:
    curve = values(card, "exporter")
    assert list(curve.values()) == pytest.approx([curve[0]] * 3, rel=1e-3)


def test_every_stress_has_its_curve_and_its_pictures(card: RobustnessCard) -> None:
    assert {one.name for one in card.curves} >= STRESSES.keys()
    assert len(card.pictures) == len(STRESSES) + 3


def test_what_a_recipe_refuses_is_told_and_not_drawn() -> None:
    (found,) = stress([scan()], {"fft": FftRecipe()}, Effort(device="cpu"), lambda _: None)
    (curve,) = (one for one in found.curves if one.name == "acceleration")
    assert all(dot.refused and not dot.values for dot in curve.dots)
    assert drawn(curve) == []


def test_only_the_slice_in_the_middle_is_tried() -> None:
    (run,) = one_slice(scan(replace(HEAD, n_slices=3))).acquisition
    assert set(run.heads["idx"]["slice"].tolist()) == {1}


def test_structures_lie_apart_within_the_patient() -> None:
    there = np.zeros((1, 96, 96), bool)
    there[:, 10:86, 10:86] = True
    found = placed(there)
    assert found.keys() == SHAPES.keys()
    assert float(np.sum([shape > 0.01 for shape in found.values()], axis=0).max()) == 1
    assert all(gain(3 * shape, shape) == pytest.approx(3) for shape in found.values())
    assert placed(np.zeros((1, 96, 96), bool)) == {}


def test_in_slabs_lesions_are_balls_and_letters_lie_in_one_plane() -> None:
    found = placed(np.ones((24, 96, 96), np.bool_))
    planes = {name: int((shape.max(axis=(1, 2)) > 0.01).sum()) for name, shape in found.items()}
    assert planes == {"text": 1, "lesion, small": 5, "lesion": 11, "vessel": 3}
    lesion = found["lesion"]
    z, y, x = np.unravel_index(lesion.argmax(), lesion.shape)
    np.testing.assert_allclose(lesion[z - 5 : z + 6, y, x], lesion[z, y - 5 : y + 6, x])
    assert float(np.sum([shape > 0.01 for shape in found.values()], axis=0).max()) == 1
    assert "lesion" not in placed(np.ones((8, 96, 96), np.bool_))


SLAB = Scan(name="slab", acquisition=(slab(np.ones((16, 32), np.bool_), noise=0.003),), header=header_of())


def test_a_slab_gets_a_card_of_masks_of_two_directions() -> None:
    (found,) = stress([SLAB], {"grappa": GrappaRecipe(coils="rss")}, Effort(steps=1, device="cpu"), lambda _: None)
    assert {one.name for one in found.curves} >= {
        *STRESSES,
        "structure: text",
        "structure: lesion, small",
        "worst case of k-space",
        "worst case of the patient",
    }
    assert not [dot.refused for curve in found.curves for dot in curve.dots if dot.refused]
    assert all(image.ndim == 2 for picture in found.pictures for image in picture.images.values())
    harder = values(found, "acceleration")
    assert harder[8.0] > harder[4.0] > 0
    assert list(values(found, "exporter").values()) == pytest.approx([harder[4.0]] * 3, rel=2e-2)
    assert values(found, "random perturbation of k-space", "change")[1.0] == pytest.approx(1, rel=0.4)
    assert values(found, "worst case of k-space", "growth")[1.0] > 1


def test_a_large_slab_is_cut_for_its_gradient() -> None:
    usual = thinned(SLAB, n_calibration=12)
    one = on_bench(Preparation(usual.acquisition, usual.header), SenseRecipe(), device="cpu", most_bytes=400_000)
    assert one.there.shape == (16, 32, 12)
    assert forward_of(one).image(torch.zeros_like(one.view.data)).shape == (16, 32, 12)


def test_a_radial_scan_is_refused_by_name() -> None:
    radial = Scan(name="stars", acquisition=(stack_of_stars(4),), header=header_of("radial"))
    with pytest.raises(BadScan, match="this scan is radial: evaluation leaves lines out of Cartesian scans"):
        list(stress([radial], {"fft": FftRecipe()}, Effort(device="cpu"), lambda _: None))


def bench(recipe: Recipe | ReadyModel) -> Bench:
    usual = thinned(scan(), step=2)
    return on_bench(Preparation(usual.acquisition, usual.header), recipe, device="cpu")


def test_a_linear_method_lets_structures_through_as_they_are_and_one_that_smooths_loses_them() -> None:
    """SENSE at twofold acceleration against total variation of an absurd weight."""
    gains = {}
    for name, recipe in (("sense", SenseRecipe()), ("smooth", TvRecipe(noise_weight=30.0))):
        one = bench(recipe)
        shapes = placed(one.there)
        shape = shapes["lesion, small"]
        height = 4 * float(np.median(one.deviation[shape > 0.5]))
        gains[name] = gain(one.with_details(height * shape), shape) / height
    assert gains["sense"] == pytest.approx(1, abs=0.1)
    assert gains["smooth"] < 0.7


def test_a_linear_method_passes_noise_as_its_own_noise_map_says() -> None:
    one = bench(SenseRecipe())
    changes = [one.with_noise(1.0, seed)[one.there] / one.deviation[one.there] for seed in range(3)]
    assert float(np.sqrt(np.mean(np.square(changes)))) == pytest.approx(1, rel=0.15)


IN_K_SPACE = Budget(size=1.0, of_image=False)


def test_the_gradient_finds_worse_than_chance_and_more_steps_do_not_find_less() -> None:
    one = bench(ready(LearnedRecipe(model="heads", allow_tests=True), Zoo((SHIPPED,))))
    few, more = (worst_case(one, IN_K_SPACE, steps=steps) for steps in (1, 4))
    assert more.search is Search.GRADIENT
    assert more.growth > 1.5
    assert more.growth >= few.growth


CONVENTIONAL: tuple[Recipe, ...] = (
    SenseRecipe(),
    CgSenseRecipe(),
    GrappaRecipe(),
    SpiritRecipe(),
    L1WaveletRecipe(steps=10),
    TvRecipe(steps=20),
)


@pytest.mark.parametrize("recipe", CONVENTIONAL, ids=lambda recipe: str(recipe.method))
def test_what_gradients_go_through_is_the_engines_own_image(recipe: Recipe) -> None:
    one = bench(recipe)
    made = forward_of(one).image(torch.zeros_like(one.view.data)).numpy() * one.view.scale
    assert np.abs(made - one.made).max() < 2e-3 * one.made.max()


@pytest.mark.parametrize("of_image", [False, True])
@pytest.mark.parametrize("recipe", CONVENTIONAL, ids=lambda recipe: str(recipe.method))
def test_conventional_methods_have_a_worst_case_by_their_gradient(recipe: Recipe, *, of_image: bool) -> None:
    found = worst_case(bench(recipe), Budget(size=1.0, of_image=of_image), steps=3)
    assert found.search is Search.GRADIENT
    assert found.growth > 1.3


def test_the_worst_of_a_linear_method_is_what_its_steepest_direction_says() -> None:
    """The image of every line is a unitary transform: along each pixel's phase nothing grows beyond its own size."""
    whole = scan(replace(HEAD, n_coils=1))
    one = on_bench(Preparation(whole.acquisition, whole.header), FftRecipe(), device="cpu")
    found = worst_case(one, IN_K_SPACE, steps=6)
    assert found.growth == pytest.approx(2**0.5, rel=0.1), "half of what is random lies across the phase"


def test_the_unit_of_a_scan_does_not_change_its_worst_case() -> None:
    found = []
    for factor in (1.0, 1e6):
        usual = thinned(scan(), step=2)
        runs = [replace(run, samples=run.samples * np.float32(factor)) for run in usual.acquisition]
        one = on_bench(Preparation(runs, usual.header), L1WaveletRecipe(steps=10), device="cpu")
        found.append(worst_case(one, IN_K_SPACE, steps=2).growth)
    assert found[0] == pytest.approx(found[1], rel=1e-2)


def test_a_method_without_a_gradient_is_tried_and_does_worse_than_by_chance() -> None:
    found = worst_case(bench(L1SpiritRecipe(steps=10)), IN_K_SPACE, steps=3)
    assert found.search is Search.TRIALS
    assert found.growth > 1.5


def test_every_differentiable_method_is_tried_here() -> None:
    assert DIFFERENTIABLE.keys() == {FftRecipe, *map(type, CONVENTIONAL)}


def test_the_page_needs_nothing_else_and_repeats_names_harmlessly(card: RobustnessCard, tmp_path: Path) -> None:
    page = write_robustness([replace(card, scan="<script>")], tmp_path).read_text()
    assert "<script" not in page
    assert page.count("<svg") >= len(STRESSES)
    (told,) = json.loads((tmp_path / "robustness.json").read_text())
    assert {one["name"] for one in told["curves"]} == {one.name for one in card.curves}


def test_recipes_stand_beside_each_other_in_one_table_with_nothing_where_one_refused(card: RobustnessCard) -> None:
    numbers = dict(zip(SUMMED_UP, summed_up(card), strict=True))
    assert float(numbers["error, one line in 4"]) == pytest.approx(values(card, "acceleration")[4.0], rel=1e-2)
    assert all(value for name, value in numbers.items() if not name.startswith("vessel"))  # it needs room
    assert not any(summed_up(replace(card, curves=())))


def test_a_curve_without_a_value_is_not_drawn() -> None:
    assert drawn(Curve(name="x", sentence="x", unit="x", dots=())) == []


def test_the_command_writes_cards_and_says_where(tmp_path: Path) -> None:
    put_phantom(tmp_path / "head.h5", HEAD)
    done = gateway("evaluate", tmp_path / "head.h5", "--robustness", "--recipe", "sense", "--out", tmp_path / "lab")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "lab" / "robustness.html").exists()


def test_the_lab_refuses_to_write_what_cards_do_not_hold(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match="leave --write out"):
        evaluate([tmp_path], tmp_path / "lab", ["sense"], robustness=True, write=True)
    assert not (tmp_path / "lab").exists()
