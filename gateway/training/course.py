"""One training step after the other: the network's, and those of whoever plays against it or beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager
from copy import deepcopy
from typing import cast

import torch
from torch import Tensor, nn

from gateway.model.training import Loss, LossKind, Paradigm, Plan
from gateway.model.training_parties import Site
from gateway.recon.networks.architectures import build
from gateway.recon.networks.forward import image_of
from gateway.recon.networks.observed import Observed
from gateway.recon.networks.prior import Prior
from gateway.recon.networks.weights import check_tensors
from gateway.training.critic import CriticNetwork, learn_to_tell
from gateway.training.lessons import Lesson
from gateway.training.lines import LearnedLines
from gateway.training.losses import total
from gateway.training.opponent import OpponentNetwork, disturbed, learn_to_disturb
from gateway.training.players import Player, backward
from gateway.training.ranks import Ranks
from gateway.training.school import WEIGHTS, School, random_of
from gateway.training.state import State

LAST_RATE = 0.02
"""Of the first learning rate."""
BY_LINES = (Loss(kind=LossKind.KSPACE),)
LINES, CRITIC, OPPONENT = "lines", "critic", "opponent"
"""Names of rivals."""


class Course:
    """A training on its way: what is learned, from what, and the next step."""

    def __init__(self, plan: Plan, state: State, school: School) -> None:
        self.plan, self.state, self.school = plan, state, school

    def step(self) -> float:
        """Take a step; gives the loss."""
        plan, state = self.plan, self.state
        state.learner.at_rate(rate(plan, state.step))
        lines = state.rivals.get(LINES)
        lesson = self._lesson(lines)
        for player in (state.learner, *([lines] if lines else [])):
            player.optimiser.zero_grad()
        made = self._made(lesson)
        loss = self._loss(made, lesson)
        backward(loss)
        state.learner.step()
        if lines:
            lines.step()
        self._answer(lesson, made)
        state.step += 1
        with torch.no_grad():
            state.take_mean(plan.fit.average)
        return float(loss.detach())

    def _lesson(self, lines: Player | None) -> Lesson:
        if lines is None:
            return self.school.lesson(self.state.step)
        return self.school.lesson_by(cast("LearnedLines", lines.module), self.state.step)

    def _made(self, lesson: Lesson) -> Tensor:
        with precision(self.plan, lesson.samples.device):
            return made_of(self.plan, self.state.learner.module, lesson.shown)

    def _loss(self, made: Tensor, lesson: Lesson) -> Tensor:
        loss = self._judged(made, lesson)
        opponent = self.state.rivals.get(OPPONENT)
        if opponent is None:
            return loss
        with torch.no_grad():
            disturbance = opponent.module(lesson.shown)
        return loss + self.plan.opponent.weight * self._harm(disturbed(lesson, disturbance))

    def _judged(self, made: Tensor, lesson: Lesson) -> Tensor:
        """Sum the losses; where the image is not known, by lines."""
        known = lesson.image is not None or self.plan.paradigm is not Paradigm.SEMI_SUPERVISED
        critic = self.state.rivals.get(CRITIC)
        return total(made, lesson, self.plan.losses if known else BY_LINES, critic.module if critic else None)

    def _harm(self, lesson: Lesson) -> Tensor:
        return self._judged(self._made(lesson), lesson)

    def _answer(self, lesson: Lesson, made: Tensor) -> None:
        """Let rivals take their step; theirs do not move the network."""
        if critic := self.state.rivals.get(CRITIC):
            true = self.school.reference(self.state.step) if lesson.image is None else lesson.image.abs()
            learn_to_tell(critic, true, made)
        if opponent := self.state.rivals.get(OPPONENT):
            learn_to_disturb(opponent, lesson, self._harm, self.plan.opponent)


def made_of(plan: Plan, network: nn.Module, shown: Observed) -> Tensor:
    """Let a network make what it is held to: the image, a prior alone what is behind the noise. Shape `(batch x y)`."""
    if plan.paradigm is Paradigm.SCORE and isinstance(network, Prior):
        return network.clean(shown.start, shown.noise)
    return image_of(network, shown)


def rate(plan: Plan, step: int) -> float:
    """Rise, then fall as a cosine."""
    rise = min(1.0, (step + 1) / max(1, plan.fit.warm_up))
    fall = LAST_RATE + (1 - LAST_RATE) * (1 + math.cos(math.pi * step / plan.fit.steps)) / 2
    return plan.fit.learning_rate * rise * fall


def precision(plan: Plan, device: torch.device) -> AbstractContextManager[object]:
    """Let convolutions compute as the configuration says."""
    return torch.autocast(device.type, torch.bfloat16, enabled=plan.fit.precision == "bfloat16")


def begun(plan: Plan, first: Mapping[str, Tensor] | None, device: torch.device, ranks: Ranks) -> State:
    """Draw the first weights of everybody, or take those of a model."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(random_of(plan, WEIGHTS, 0).integers(1 << 62)))
        network = build(plan.network)
        rivals = _rivals(plan)
    if first is not None:
        check_tensors(plan.network, first)
        network.load_state_dict({name: one.float() for name, one in first.items()})

    def player(module: nn.Module, learning_rate: float, optimiser: str = "adam") -> Player:
        return Player.new(module.to(device).train(), learning_rate, optimiser=optimiser, ranks=ranks)

    learner = player(network, plan.fit.learning_rate, plan.fit.optimiser)
    others = {name: player(module, learning_rate) for name, (module, learning_rate) in rivals.items()}
    for site in plan.federation.sites if plan.federation else ():
        others[site_name(site)] = player(deepcopy(network), plan.fit.learning_rate, plan.fit.optimiser)
    return State.new(learner, others)


def site_name(site: Site) -> str:
    """Name a site's player."""
    return f"site-{site.name}"


def _rivals(plan: Plan) -> dict[str, tuple[nn.Module, float]]:
    """Make whoever learns beside the network, each with its learning rate."""
    rivals: dict[str, tuple[nn.Module, float]] = {}
    if plan.masks.learned:
        rivals[LINES] = LearnedLines(), plan.masks.learning_rate
    if plan.adversarial:
        rivals[CRITIC] = CriticNetwork(plan.critic), plan.critic.learning_rate
    if plan.paradigm is Paradigm.ROBUST:
        rivals[OPPONENT] = OpponentNetwork(plan.opponent), plan.opponent.learning_rate
    return rivals
