"""The loop: draw a slice, take a step, look at the validation now and then; all draws follow from seed and step."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from gateway.model.errors import GatewayError
from gateway.model.training import Loss, LossKind, Paradigm, Plan
from gateway.recon.networks.architectures import build
from gateway.recon.networks.forward import image_of
from gateway.recon.networks.observed import Observed
from gateway.recon.networks.prior import Prior
from gateway.recon.networks.weights import check_tensors
from gateway.training.diary import Diary, Look, picture_of
from gateway.training.lessons import Lesson, Masked, lesson, masked, noised, whole_lesson
from gateway.training.losses import error_over_object, similarity, total
from gateway.training.procedural import Random
from gateway.training.sources import Draw, source_of
from gateway.training.state import State, load, save

Tell = Callable[[str], None]
SLICES, SLABS, VALIDATION, WEIGHTS = range(4)
"""What is drawn; each has random numbers of its own."""
LARGEST_GRADIENT = 1.0
LAST_RATE = 0.02
"""Of the first learning rate."""
BY_LINES = (Loss(kind=LossKind.KSPACE),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A whole slice that nothing is learned from."""

    lesson: Lesson
    truth: Tensor | None
    """Root sum of squares of every line, where every line was measured. Shape `(1 x y)`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The best weights, and how they were found."""

    weights: Mapping[str, Tensor]
    step: int
    score: float
    finished: bool
    """False where time ran out: run again to go on."""


def fit(plan: Plan, folder: Path, first: Mapping[str, Tensor] | None, tell: Tell) -> Outcome:
    """Train to the end, or go on where a run in this folder was stopped.

    Raises
    ------
    WrongCall
        The folder is that of another configuration, or a source has nothing.
    GatewayError
        The loss is no number any more.
    """
    sources, checks = [source_of(one) for one in plan.data], _checks(plan)
    state = _begun(plan, first)
    fingerprint = plan.model_dump_json(exclude={"fit": {"minutes"}})
    if load(state, folder, fingerprint):
        tell(f"going on after step {state.step}")
    school = _School(plan, sources)
    diary = Diary(folder, step=state.step)
    stop_at = time.monotonic() + 60 * (plan.fit.minutes or math.inf)
    losses: list[float] = []
    while (tired := not _goes_on(plan, state)) is False and time.monotonic() < stop_at:
        losses.append(_step(plan, state, school.lesson(state.step)))
        if state.step % plan.fit.epoch == 0 or state.step == plan.fit.steps:
            look, picture = _look(plan, state, checks, float(np.mean(losses)))
            state.judge(look.score)
            save(state, folder, fingerprint)
            diary.note(look, picture)
            losses.clear()
            tell(_sentence(look, plan.fit.steps))
    save(state, folder, fingerprint)
    return Outcome(weights=state.best, step=state.best_step, score=state.best_score, finished=tired)


def _begun(plan: Plan, first: Mapping[str, Tensor] | None) -> State:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(_random(plan, WEIGHTS, 0).integers(1 << 62)))
        network = build(plan.network)
    if first is not None:
        check_tensors(plan.network, first)
        network.load_state_dict({name: one.float() for name, one in first.items()})
    return State.new(network.train(), plan.fit.learning_rate)


def _random(plan: Plan, what: int, number: int) -> Random:
    return np.random.default_rng([plan.seed, what, number])


def _goes_on(plan: Plan, state: State) -> bool:
    patience = plan.fit.patience
    tired = patience is not None and state.step - state.best_step >= patience * plan.fit.epoch and state.best_step > 0
    return state.step < plan.fit.steps and not tired


class _School:
    """Gives the lesson of a step; the slice is kept for the steps that share it."""

    def __init__(self, plan: Plan, sources: Sequence[Draw]) -> None:
        self._plan = plan
        self._slice = lru_cache(maxsize=1)(lambda number: _drawn(plan, sources, _random(plan, SLICES, number)))

    def lesson(self, step: int) -> Lesson:
        """Cut the slabs of a step."""
        with torch.no_grad():
            return lesson(self._slice(step // self._plan.fit.reuse), self._plan, _random(self._plan, SLABS, step))


def _drawn(plan: Plan, sources: Sequence[Draw], random: Random) -> Masked:
    return masked(sources[int(random.integers(len(sources)))](random), plan, random)


def _checks(plan: Plan) -> list[Check]:
    sources = [source_of(one) for one in plan.validation or plan.data]
    with torch.no_grad():
        return [_check(plan, sources, number) for number in range(plan.n_validation)]


def _check(plan: Plan, sources: Sequence[Draw], number: int) -> Check:
    random = _random(plan, VALIDATION, number)
    full = sources[int(random.integers(len(sources)))](random)
    known = bool(full.filled.all()) and plan.paradigm is not Paradigm.ZERO_SHOT
    found, truth = whole_lesson(masked(full, plan, random, for_validation=True))
    return Check(lesson=noised(found, plan, random), truth=truth if known else None)


def _rate(plan: Plan, step: int) -> float:
    """Rise, then fall as a cosine."""
    rise = min(1.0, (step + 1) / max(1, plan.fit.warm_up))
    fall = LAST_RATE + (1 - LAST_RATE) * (1 + math.cos(math.pi * step / plan.fit.steps)) / 2
    return plan.fit.learning_rate * rise * fall


def _step(plan: Plan, state: State, shown: Lesson) -> float:
    for group in state.optimiser.param_groups:
        group["lr"] = _rate(plan, state.step)
    state.optimiser.zero_grad()
    loss = total(made_of(plan, state.network, shown.shown), shown, plan.losses)
    if not torch.isfinite(loss):
        raise GatewayError(f"the loss of step {state.step} is no number; a lower learning rate may help")
    loss.backward()  # type: ignore[no-untyped-call] # torch has no types here
    torch.nn.utils.clip_grad_norm_(state.network.parameters(), LARGEST_GRADIENT)
    state.optimiser.step()
    state.step += 1
    with torch.no_grad():
        state.take_mean(plan.fit.average)
    return float(loss.detach())


def made_of(plan: Plan, network: nn.Module, shown: Observed) -> Tensor:
    """Let a network make what it is held to: the image, a prior alone what is behind the noise. Shape `(batch x y)`."""
    if plan.paradigm is Paradigm.SCORE and isinstance(network, Prior):
        return network.clean(shown.start, shown.noise)
    return image_of(network, shown)


@torch.no_grad()
def _look(plan: Plan, state: State, checks: Sequence[Check], loss: float) -> tuple[Look, bytes]:
    """Look at the validation with the mean of the weights."""
    network = build(plan.network)
    network.load_state_dict(state.average)
    made = [made_of(plan, network.eval(), check.lesson.shown) for check in checks]
    scores = [_score(image, check) for image, check in zip(made, checks, strict=True)]
    starts = [_score(check.lesson.shown.start, check) for check in checks]
    alike = [
        float(similarity(image.abs(), check.truth).mean())
        for image, check in zip(made, checks, strict=True)
        if check.truth is not None
    ]
    look = Look(
        step=state.step,
        loss=loss,
        score=float(np.mean(scores)),
        ssim=float(np.mean(alike)) if alike else None,
        start=float(np.mean(starts)),
        learning_rate=_rate(plan, state.step),
    )
    shown = checks[0]
    start = shown.lesson.shown.start.abs()
    return look, picture_of((start if shown.truth is None else shown.truth)[0], start[0], made[0].abs()[0])


def _score(image: Tensor, check: Check) -> float:
    if check.truth is not None:
        return error_over_object(image, check.truth)
    return float(total(image, check.lesson, BY_LINES))


def _sentence(look: Look, steps: int) -> str:
    judged = f"validation {look.score:.4f} (conventional {look.start:.4f})"
    return f"step {look.step} of {steps}: loss {look.loss:.4f}, {judged}"
