"""Lines that are learned are whole, as many as asked, around a calibration, and move to where they help."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from gateway.model.errors import WrongCall
from gateway.recon import masks
from gateway.recon.networks.observed import Observed
from gateway.recon.networks.solving import Nearest
from gateway.training.lines import LearnedLines
from gateway.training.players import Player
from gateway.training.school import School
from tests.training.plans import MASKS, plan, run

CPU = torch.device("cpu")
LEARNED = {**MASKS, "patterns": ["learned"]}


def _chooser(seed: int = 0) -> LearnedLines:
    chooser = LearnedLines()
    with torch.no_grad():
        chooser.logits.copy_(torch.randn(len(chooser.logits), generator=torch.Generator().manual_seed(seed)))
    return chooser


@pytest.mark.parametrize("n", [48, 65])
def test_chances_leave_as_many_lines_as_the_acceleration_and_all_of_the_calibration(n: int) -> None:
    chances = _chooser().chances(n, acceleration=3, n_calibration=8)
    assert float(chances.sum().detach()) == pytest.approx(n / 3, abs=1e-3)
    assert bool((chances >= 0).all())
    assert bool((chances <= 1 + 1e-6).all())
    lines = _chooser().likeliest(n, acceleration=3, n_calibration=8)
    assert lines.sum() == round(n / 3)
    assert lines[masks.calibration(n, 8)].all()


def test_a_draw_is_whole_follows_from_its_random_numbers_and_passes_gradients() -> None:
    chooser, chosen = _chooser(), plan(masks=LEARNED).masks
    drawn = chooser.draw(48, chosen, np.random.default_rng(3))
    assert set(drawn.detach().tolist()) == {0.0, 1.0}
    assert torch.equal(drawn, chooser.draw(48, chosen, np.random.default_rng(3)))
    (found,) = torch.autograd.grad(drawn[:10].sum(), chooser.logits)
    assert float(found.abs().sum()) > 0


def _double(n_x: int = 2, n_y: int = 6, n_coils: int = 2) -> Observed:
    def drawn(*shape: int) -> Tensor:
        return torch.randn(shape, dtype=torch.complex128, generator=random)

    random = torch.Generator().manual_seed(5)
    filled = torch.tensor([[[1, 0, 1, 1, 0, 1]]], dtype=torch.float64)
    data = drawn(1, n_coils, n_x, n_y) * filled[:, None]
    return Observed(
        data=data,
        filled=filled,
        maps=drawn(1, n_coils, n_x, n_y) / 3,
        start=drawn(1, n_x, n_y),
        brightness=torch.ones(1, n_x, n_y, dtype=torch.float64),
        noise=torch.ones(1, dtype=torch.float64),
        seed=torch.zeros(1, dtype=torch.int64),
    )


def test_gradients_of_data_and_lines_are_those_of_the_dense_system() -> None:
    """``(T^H M T + w) x = T^H y + w z``, solved by elimination, with M of any size."""
    seen, weight = _double(), torch.full((1, 1, 1), 0.4, dtype=torch.float64)
    samples = torch.randn(seen.data.shape, dtype=torch.complex128, generator=torch.Generator().manual_seed(7))
    n = seen.start.numel()
    basis = torch.eye(n, dtype=torch.complex128).reshape(n, *seen.start.shape[1:])
    transform = torch.stack([seen.transform.apply(one[None]).flatten() for one in basis], dim=1)

    def dense(filled: Tensor) -> Tensor:
        lines = filled[:, None].expand(seen.data.shape).flatten().to(torch.complex128)
        system = transform.mH @ (lines[:, None] * transform) + 0.4 * torch.eye(n)
        right = transform.mH @ (lines * samples.flatten()) + 0.4 * seen.start.flatten()
        solved: Tensor = torch.linalg.solve(system, right)
        return solved.reshape(seen.start.shape)

    def ours(filled: Tensor) -> Tensor:
        shown = replace(seen, filled=filled, data=samples * filled[:, None])
        return Nearest(shown, 60)(seen.start, weight)

    gradients = []
    for made in (dense, ours):
        filled = seen.filled.clone().requires_grad_()
        image = made(filled)
        (found,) = torch.autograd.grad((image.abs() ** 3).sum(), filled)
        gradients.append(found)
    torch.testing.assert_close(gradients[1], gradients[0], atol=1e-8, rtol=1e-6)


def test_a_pattern_moves_to_the_lines_without_which_most_is_missing() -> None:
    """Images have most of their energy around the centre; what is not measured is the loss."""
    chosen = plan(masks={**LEARNED, "accelerations": [4], "n_calibration": [8]}, fit={"slab": 0})
    chooser, school = LearnedLines(), School(chosen, device=CPU)
    player = Player.new(chooser, 0.1)
    for step in range(15):
        lesson = school.lesson_by(chooser, step)
        player.descend((lesson.samples - lesson.shown.data).abs().square().sum() / lesson.samples.norm() ** 2)
    chances = chooser.chances(48, acceleration=4, n_calibration=8).detach()
    near, far = chances[[*range(14, 20), *range(28, 34)]].mean(), chances[[*range(8), *range(40, 48)]].mean()
    assert near > 1.3 * far


@pytest.mark.parametrize("acceleration", [2, 4])
def test_lines_by_poisson_discs_are_as_many_as_asked_and_keep_apart(acceleration: int) -> None:
    for seed in range(5):
        random = np.random.default_rng(seed)
        lines = masks.poisson_lines(128, acceleration=acceleration, n_calibration=16, random=random)
        assert lines.sum() == 128 / acceleration
        assert lines[56:72].all()
        spread = masks.random_lines(128, acceleration=acceleration, n_calibration=16, random=random)
        widest = [np.diff(np.flatnonzero(one)).max() for one in (lines, spread)]
        assert widest[0] <= widest[1] + 2
    with pytest.raises(WrongCall, match="calibration lines"):
        masks.poisson_lines(32, acceleration=8, n_calibration=16, random=np.random.default_rng(0))


def test_a_learned_pattern_is_trained_by_the_command_and_looked_at_with_its_likeliest_lines(tmp_path: Path) -> None:
    run(plan(masks=LEARNED, fit={"steps": 2, "epoch": 1}), tmp_path)
    assert (tmp_path / "lines.csv").read_text().startswith("place,chance")
