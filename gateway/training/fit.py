"""The loop: take a step, look at the validation now and then, keep the state; all draws follow from seed and step."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import torch
from torch import Tensor

from gateway.model.errors import WrongCall
from gateway.model.training import Plan
from gateway.training.course import LINES, Course, begun
from gateway.training.diary import Diary, Look, note_lines
from gateway.training.federation import FederatedCourse
from gateway.training.lines import LearnedLines
from gateway.training.looking import Examiner
from gateway.training.ranks import Ranks
from gateway.training.school import School
from gateway.training.state import State, load, save

Tell = Callable[[str], None]


class Steps(Protocol):
    """A training on its way: of one process, of several, of sites."""

    state: State

    def step(self) -> float:
        """Take a step; gives the loss."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a training runs."""

    folder: Path
    device: torch.device
    ranks: Ranks
    tell: Tell


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The best weights, and how they were found."""

    weights: Mapping[str, Tensor]
    step: int
    """After which they were found."""
    taken: int
    """Steps in all, with those that made it no better."""
    score: float
    finished: bool
    """False where time ran out: run again to go on."""


def fit(plan: Plan, first: Mapping[str, Tensor] | None, place: Place) -> Outcome:
    """Train to the end, or go on where a run in this folder was stopped.

    Raises
    ------
    WrongCall
        The folder is that of another configuration, or a source has nothing.
    GatewayError
        The loss is no number any more.
    """
    if plan.federation and place.ranks.world > 1:
        raise WrongCall("a federation's sites are processes of their own; start it without torch's launcher")
    state = begun(plan, first, place.device, place.ranks)
    course = _course(plan, state, place)
    fingerprint = plan.model_dump_json(exclude={"fit": {"minutes"}})
    going_on = load(state, place.folder, fingerprint)
    log = _Log(plan, state, place, fingerprint) if place.ranks.leads else None
    if going_on and log:
        place.tell(f"going on after step {state.step}")
    finished = _run(course, plan, place, log)
    if log:
        save(state, place.folder, fingerprint)
    return Outcome(
        weights=state.best, step=state.best_step, taken=state.step, score=state.best_score, finished=finished
    )


def _course(plan: Plan, state: State, place: Place) -> Steps:
    if plan.federation is not None:
        return FederatedCourse(plan, plan.federation, state, place.device)
    return Course(plan, state, School(plan, device=place.device, stream=place.ranks.rank))


def _run(course: Steps, plan: Plan, place: Place, log: _Log | None) -> bool:
    """Take steps until they are done, time is up, or it gets no better; False where time was up."""
    stop_at = time.monotonic() + 60 * (plan.fit.minutes or math.inf)
    losses: list[float] = []
    while True:
        done = not _goes_on(plan, course.state)
        if place.ranks.agree(yes=done or time.monotonic() >= stop_at, device=place.device):
            return done
        losses.append(course.step())
        if course.state.step % plan.fit.epoch == 0 or course.state.step == plan.fit.steps:
            if log:
                log.look(float(np.mean(losses)))
            losses.clear()


def _goes_on(plan: Plan, state: State) -> bool:
    patience = plan.fit.patience
    tired = patience is not None and state.step - state.best_step >= patience * plan.fit.epoch and state.best_step > 0
    return state.step < plan.fit.steps and not tired


class _Log:
    """Looks, keeps and tells, which the first of several processes does alone."""

    def __init__(self, plan: Plan, state: State, place: Place, fingerprint: str) -> None:
        self._plan, self._state, self._place, self._fingerprint = plan, state, place, fingerprint
        self._examiner = Examiner(plan, place.device)
        self._diary = Diary(place.folder, step=state.step)

    def look(self, loss: float) -> None:
        """Look at the validation, keep the state and write down what was seen."""
        look, picture = self._examiner.look(self._state, loss)
        self._state.judge(look.score)
        save(self._state, self._place.folder, self._fingerprint)
        self._diary.note(look, picture)
        if lines := self._state.rivals.get(LINES):
            note_lines(self._place.folder, cast("LearnedLines", lines.module).by_place())
        self._place.tell(_sentence(look, self._plan.fit.steps))


def _sentence(look: Look, steps: int) -> str:
    judged = f"validation {look.score:.4f} (conventional {look.start:.4f})"
    return f"step {look.step} of {steps}: loss {look.loss:.4f}, {judged}"
