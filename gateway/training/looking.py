"""A look at the validation after each epoch: whole slices that nothing is learned from, numbers, and a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor

from gateway.model.training import Paradigm, Plan
from gateway.recon.networks.architectures import build
from gateway.training.course import BY_LINES, LINES, made_of, precision, rate
from gateway.training.diary import Look, picture_of
from gateway.training.lessons import Lesson, noised, whole_lesson
from gateway.training.lines import LearnedLines
from gateway.training.losses import error_over_object, similarity, total
from gateway.training.masking import masked
from gateway.training.procedural import Random
from gateway.training.school import VALIDATION, random_of
from gateway.training.simulation import FullSlice
from gateway.training.sources import source_of
from gateway.training.stacks import frames_of
from gateway.training.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A whole slice that nothing is learned from."""

    lesson: Lesson
    truth: Tensor | None
    """Root sum of squares of every line, where every line was measured. Shape `(frame x y)`."""


class Examiner:
    """Keeps the slices of the validation, and looks at them."""

    def __init__(self, plan: Plan, device: torch.device) -> None:
        self._plan, self._device = plan, device
        sources = [source_of(one) for one in plan.validation or plan.learned_from]
        randoms = [random_of(plan, VALIDATION, number) for number in range(plan.n_validation)]
        with torch.no_grad():
            self._drawn = [(sources[int(random.integers(len(sources)))](random), random) for random in randoms]
        self._fixed = None if plan.masks.learned else self._checks(None)

    @torch.no_grad()
    def look(self, state: State, loss: float) -> tuple[Look, bytes]:
        """Look with the mean of the weights."""
        checks = self._fixed or self._checks(state)
        made = self._made(state, checks)
        shown, image = checks[0], made[0].abs()[0]
        start = shown.lesson.shown.start.abs().cpu()
        truth = start if shown.truth is None else shown.truth.cpu()
        return self._seen(state, checks, made, loss), picture_of(
            *(middle_of(one) for one in (truth[0], start[0], image.cpu()))
        )

    def _made(self, state: State, checks: Sequence[Check]) -> list[Tensor]:
        network = build(self._plan.network).to(self._device)
        network.load_state_dict(state.average)
        with precision(self._plan, self._device):
            return [made_of(self._plan, network.eval(), check.lesson.shown) for check in checks]

    def _seen(self, state: State, checks: Sequence[Check], made: Sequence[Tensor], loss: float) -> Look:
        pairs = list(zip(made, checks, strict=True))
        alike = [
            float(similarity(planes(image.abs()), planes(check.truth)).mean())
            for image, check in pairs
            if check.truth is not None
        ]
        return Look(
            step=state.step,
            loss=loss,
            score=float(np.mean([_score(image, check) for image, check in pairs])),
            ssim=float(np.mean(alike)) if alike else None,
            start=float(np.mean([_score(check.lesson.shown.start, check) for check in checks])),
            learning_rate=rate(self._plan, state.step),
        )

    @torch.no_grad()
    def _checks(self, state: State | None) -> list[Check]:
        return [self._check(full, random, state) for full, random in self._drawn]

    def _check(self, full: FullSlice, random: Random, state: State | None) -> Check:
        plan = self._plan
        known = full.whole and plan.paradigm is not Paradigm.ZERO_SHOT
        lines = None if state is None else self._likeliest(state, len(full.filled))
        frames = frames_of(full, plan, random)
        found, truth = whole_lesson([masked(one, plan, random, lines=lines, for_validation=True) for one in frames])
        return Check(
            lesson=noised(found, plan, random).to(self._device), truth=truth.to(self._device) if known else None
        )

    def _likeliest(self, state: State, n: int) -> Tensor:
        """Keep the lines that have been learned to be best; of the first acceleration and calibration there are."""
        chooser, masks = cast("LearnedLines", state.rivals[LINES].module), self._plan.masks
        lines = chooser.likeliest(n, acceleration=masks.accelerations[0], n_calibration=masks.n_calibration[0])
        return torch.from_numpy(lines)[:, None]


def planes(images: Tensor) -> Tensor:
    """Take volumes as their planes. From `(batch *space)` to `(batch y x)`, whichever the last two axes are."""
    return images.flatten(0, -3)


def middle_of(image: Tensor) -> Tensor:
    """Take the partition in the middle of a volume `(x z y)`; an image `(x y)` as it is."""
    return image if image.ndim == 2 else image[:, image.shape[1] // 2]  # noqa: PLR2004 - a plane


def _score(image: Tensor, check: Check) -> float:
    if check.truth is not None:
        return error_over_object(image, check.truth)
    return float(total(image, check.lesson, BY_LINES))
