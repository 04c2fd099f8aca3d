"""Who learns beside the network: critics, opponents, patterns, sites; every paradigm lowers its loss and resumes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from gateway.recon.networks.forward import image_of
from gateway.training.course import CRITIC, Course, begun, rate
from gateway.training.critic import CriticNetwork, learn_to_tell
from gateway.training.features import distance, features
from gateway.training.lessons import Lesson
from gateway.training.losses import total
from gateway.training.opponent import size_of, unfolded, worst_within
from gateway.training.players import Player
from gateway.training.ranks import ALONE
from gateway.training.school import School
from gateway.zoo.folder import WEIGHTS
from tests.training.plans import HEADS, MASKS, column, plan, run

CPU = torch.device("cpu")
DENOISER = {"method": "denoiser", "n_channels": 8, "dilations": [1, 2, 1]}
CASCADE = {**DENOISER, "method": "cascade"}
SITES = [{"name": name, "data": [HEADS]} for name in ("east", "south", "west")]
PARADIGMS: dict[str, dict[str, Any]] = {
    "robust": {"paradigm": "robust", "network": CASCADE, "losses": [{"kind": "l2"}]},
    "adversarial": {"losses": [{"kind": "l1"}, {"kind": "adversarial", "weight": 0.01}, {"kind": "perceptual"}]},
    "unpaired": {
        "paradigm": "unpaired",
        "network": DENOISER,
        "references": [HEADS],
        "losses": [{"kind": "k-space"}, {"kind": "adversarial", "weight": 0.5}],
    },
    "semi-supervised": {"paradigm": "semi-supervised", "unlabelled": [HEADS]},
    "learned lines": {"masks": {**MASKS, "patterns": ["learned"]}},
    "federated": {"data": [], "federation": {"sites": SITES[:2], "local_steps": 2}},
}


def _weights(folder: Path) -> dict[str, Tensor]:
    return safetensors.torch.load_file(folder / "tiny" / WEIGHTS)


@pytest.mark.parametrize("name", PARADIGMS)
def test_every_paradigm_lowers_the_loss(tmp_path: Path, name: str) -> None:
    reuse = 1 if name == "learned lines" else 1000
    fit = {"steps": 12, "epoch": 6, "reuse": reuse, "learning_rate": 5e-3, "slab": 0 if name == "unpaired" else 24}
    still = {"critic": {"learning_rate": 1e-12}} if name == "unpaired" else {}
    run(plan(**PARADIGMS[name], **still, fit=fit), tmp_path)
    assert column(tmp_path, "loss")[1] < column(tmp_path, "loss")[0]


@pytest.mark.parametrize("name", PARADIGMS)
def test_every_paradigm_goes_on_to_the_same_bits(tmp_path: Path, name: str) -> None:
    """Stopped as a kill stops it: what was reached after the last look is lost."""
    chosen = plan(**PARADIGMS[name], fit={"steps": 4, "epoch": 2})
    run(chosen, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(chosen, tmp_path / "stopped", tell=_stop_after("step 2"))
    run(chosen, tmp_path / "stopped")
    stopped = _weights(tmp_path / "stopped")
    for weight_name, weight in _weights(tmp_path / "whole").items():
        assert torch.equal(weight, stopped[weight_name]), weight_name


def _stop_after(words: str) -> Any:  # noqa: ANN401 - a function that tells
    def tell(said: str) -> None:
        if said.startswith(words):
            raise KeyboardInterrupt

    return tell


def _lesson(**changes: Any) -> Lesson:  # noqa: ANN401 - a table of TOML
    return School(plan(seed=4, fit={"slab": 0}, **changes), device=CPU).lesson(0)


def _trained(paradigm: str) -> Course:
    noisy = {**HEADS, "matrix": [32], "quietest": 0.01, "noisiest": 0.02}
    opponent = {"radius": 0.1, "weight": 4.0, "learning_rate": 1e-2}
    fit = {"steps": 80, "slab": 0, "learning_rate": 3e-3, "average": 0.9}
    chosen = plan(
        seed=1,
        data=[noisy],
        network=CASCADE,
        paradigm=paradigm,
        losses=[{"kind": "l2"}],
        opponent=opponent,
        fit=fit,
    )
    course = Course(chosen, begun(chosen, None, CPU, ALONE), School(chosen, device=CPU))
    for _ in range(chosen.fit.steps):
        course.step()
    course.state.learner.module.load_state_dict(course.state.average)
    return course


def _worst(course: Course) -> float:
    """Find the worst error of unseen slices whose data are disturbed by a tenth, by gradient ascent."""

    def judge(lesson: Lesson) -> Tensor:
        return total(image_of(course.state.learner.module, lesson.shown), lesson, course.plan.losses)

    unseen = School(course.plan.model_copy(update={"seed": 99}), device=CPU)
    lessons = [worst_within(unseen.lesson(number), judge, radius=0.1, steps=6) for number in range(3)]
    return sum(float(judge(lesson).detach()) for lesson in lessons) / len(lessons)


def test_robust_training_lowers_the_worst_error_on_disturbed_data() -> None:
    assert _worst(_trained("robust")) < 0.97 * _worst(_trained("supervised"))


def test_the_worst_disturbance_has_its_size_lies_on_measured_lines_and_harms_more_than_noise() -> None:
    lesson = _lesson()

    def judge(one: Lesson) -> Tensor:
        assert one.image is not None
        return (one.shown.start - one.image).abs().square().mean().sqrt()

    worst = worst_within(lesson, judge, radius=0.05, steps=6)
    disturbance = worst.shown.data - lesson.shown.data
    assert float(size_of(disturbance, lesson)) == pytest.approx(0.05, rel=1e-3)
    assert not disturbance[..., lesson.shown.filled[0, 0] == 0].any()
    noise = worst_within(lesson, judge, radius=0.05, steps=1)
    assert float(judge(worst)) > 1.5 * float(judge(noise)) > 0


def test_the_conventional_image_made_anew_is_that_of_the_lesson() -> None:
    shown = _lesson().shown
    torch.testing.assert_close(unfolded(shown), shown.start, rtol=1e-2, atol=1e-2)


def test_filters_tell_structure_from_noise_of_the_same_power() -> None:
    """Lost edges weigh more than another brightness that is as far off, pixel by pixel."""
    image = _lesson().image
    assert image is not None
    truth = image.abs()
    assert [tuple(one.shape[1:]) for one in features(truth)] == [(16, 48, 48), (32, 24, 24), (64, 12, 12)]
    assert float(distance(truth, truth)) == 0
    blurred = torch.nn.functional.avg_pool2d(truth[:, None], 5, stride=1, padding=2)[:, 0]
    shaded = truth * (1 + (blurred - truth).norm() / truth.norm())
    assert float(distance(blurred, truth)) > float(distance(shaded, truth))


def test_a_critic_learns_to_tell_images_from_blurred_ones() -> None:
    image = _lesson().image
    assert image is not None
    truth = image.abs()
    blurred = torch.nn.functional.avg_pool2d(truth[:, None], 5, stride=1, padding=2)[:, 0]
    torch.manual_seed(0)
    critic = Player.new(CriticNetwork(plan().critic), 2e-3)
    for _ in range(40):
        learn_to_tell(critic, truth, blurred)
    with torch.no_grad():
        assert float(critic.module(truth).mean()) > float(critic.module(blurred).mean()) + 0.1


def test_an_adversarial_loss_falls_where_the_critic_stands_still(tmp_path: Path) -> None:
    fit = {"steps": 12, "epoch": 6, "reuse": 1000, "slab": 0, "learning_rate": 5e-3}
    run(plan(losses=[{"kind": "adversarial"}], critic={"learning_rate": 1e-12}, fit=fit), tmp_path)
    assert column(tmp_path, "loss")[1] < column(tmp_path, "loss")[0]


def test_an_unpaired_network_never_meets_the_image_of_its_data() -> None:
    """Its lessons have none, and count measured lines alone; what the critic takes for true is another's."""
    chosen = plan(**PARADIGMS["unpaired"])
    school = School(chosen, device=CPU)
    lesson = school.lesson(0)
    assert lesson.image is None
    torch.testing.assert_close(lesson.counted, lesson.shown.filled)
    assert school.reference(0).shape == lesson.shown.start.shape
    assert CRITIC in begun(chosen, None, CPU, ALONE).rivals


def test_semi_supervised_lessons_are_of_both_kinds_as_often_as_asked() -> None:
    school = School(plan(**PARADIGMS["semi-supervised"], fit={"labelled": 0.25}), device=CPU)
    known = [school.lesson(step).image is not None for step in range(24)]
    assert 2 <= sum(known) <= 11


def _federated(folder: Path, n_sites: int, **fit: Any) -> dict[str, Tensor]:  # noqa: ANN401 - a table of TOML
    sites = {"data": [], "federation": {"sites": SITES[:n_sites], "local_steps": 1}}
    run(plan(**sites, losses=[{"kind": "l1", "weight": 0.01}], fit={"average": 0.0, **fit}), folder)
    return _weights(folder)


def test_one_site_alone_learns_what_it_would_without_a_federation(tmp_path: Path) -> None:
    run(plan(losses=[{"kind": "l1", "weight": 0.01}], fit={"average": 0.0}), tmp_path / "alone")
    for name, weight in _federated(tmp_path / "federated", 1).items():
        assert torch.equal(weight, _weights(tmp_path / "alone")[name]), name


def test_three_sites_equal_the_centre_where_a_round_is_one_gradient_step(tmp_path: Path) -> None:
    """The mean of weights after a step each is the step of the mean gradient (McMahan 2017, section 2)."""
    sgd = {"steps": 3, "epoch": 3, "optimiser": "sgd", "learning_rate": 0.5}
    federated = _federated(tmp_path, 3, **sgd)
    chosen = plan(losses=[{"kind": "l1", "weight": 0.01}], fit={**sgd, "average": 0.0})
    state = begun(chosen, None, CPU, ALONE)
    schools = [School(chosen, device=CPU, stream=site) for site in range(3)]
    for step in range(3):
        lessons = [school.lesson(step) for school in schools]
        losses = [total(image_of(state.learner.module, one.shown), one, chosen.losses) for one in lessons]
        state.learner.at_rate(rate(chosen, step))
        state.learner.descend(torch.stack(losses).mean())
    moved = 0.0
    for name, weight in state.learner.module.state_dict().items():
        torch.testing.assert_close(federated[name], weight, rtol=1e-4, atol=1e-7)
        moved += float((weight - begun(chosen, None, CPU, ALONE).learner.module.state_dict()[name]).abs().sum())
    assert moved > 1e-3


def test_what_a_site_keeps_to_itself_is_not_shared(tmp_path: Path) -> None:
    federation = {"sites": SITES[:2], "local_steps": 2, "own": ["net.out.*"]}
    run(plan(data=[], federation=federation, fit={"steps": 2, "epoch": 2, "learning_rate": 1e-2}), tmp_path)
    state = safetensors.torch.load_file(tmp_path / "state.safetensors")
    east, south = (state[f"site-{name}/network/net.out.weight"] for name in ("east", "south"))
    assert not torch.equal(east, south)
    torch.testing.assert_close(state["network/net.out.weight"], (east + south) / 2)


def test_bfloat16_convolutions_reach_about_the_same(tmp_path: Path) -> None:
    for precision in ("float32", "bfloat16"):
        run(plan(fit={"steps": 6, "epoch": 6, "precision": precision}), tmp_path / precision)
    whole, half = (_weights(tmp_path / precision) for precision in ("float32", "bfloat16"))
    assert any(not torch.equal(whole[name], half[name]) for name in whole)
    for name, weight in whole.items():
        assert half[name].dtype == torch.float32
        torch.testing.assert_close(half[name], weight, rtol=0.2, atol=5e-3)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Sum in the order in which a process with one thread does: the sign in a gradient of L1 may hang on it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_two_processes_learn_as_two_sites_do_that_share_every_gradient(tmp_path: Path) -> None:
    """By torch's own launcher, with gloo between them."""
    script = tmp_path / "go.py"
    fit = {"steps": 2, "epoch": 2, "optimiser": "sgd", "learning_rate": 0.5, "average": 0.0}
    script.write_text(
        "from pathlib import Path\n"
        "from gateway.training.product import train\n"
        "from gateway.zoo.zoo import Zoo\n"
        "from tests.training.plans import plan\n"
        f"chosen = plan(losses=[{{'kind': 'l1', 'weight': 0.01}}], fit={fit!r})\n"
        f"train(chosen, Path({str(tmp_path / 'two')!r}), Zoo(()), print)\n"
    )
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(launcher, cwd=root, env=_here(root), check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("step 2 of 2") == 1, "one speaks"
    federated = _federated(tmp_path / "sites", 2, **fit)
    for name, weight in _weights(tmp_path / "two").items():
        torch.testing.assert_close(weight, federated[name], rtol=1e-5, atol=1e-7)


def _here(root: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}


HOSTILE: dict[str, tuple[dict[str, Any], str]] = {
    "no references": ({"paradigm": "unpaired"}, "references goes with"),
    "references for nothing": ({"references": [HEADS]}, "references goes with"),
    "a federation and data": ({"federation": {"sites": SITES}}, "the sites have the data"),
    "no data": ({"data": []}, "data is missing"),
    "two patterns": ({"masks": {"patterns": ["learned", "random"]}}, "cannot be one of several"),
    "lines from SENSE": ({"masks": {"patterns": ["learned"]}, "network": DENOISER}, "from which no pattern"),
    "one site twice": ({"data": [], "federation": {"sites": [SITES[0], SITES[0]]}}, "two sites"),
    "a site that plays": (
        {"data": [], "federation": {"sites": SITES}, "losses": [{"kind": "adversarial"}]},
        "without a critic",
    ),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_cannot_be_learned_is_refused_with_a_reason(what: str) -> None:
    changes, why = HOSTILE[what]
    with pytest.raises(ValueError, match=why):
        plan(**changes)
