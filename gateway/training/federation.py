"""Sites that learn one network together: each takes steps on its own scans, then their weights are averaged.

McMahan 2017, arXiv:1602.05629; weights that stay at their site: Arivazhagan 2019, arXiv:1912.00818. What leaves
a site are weights. Here all sites are in one process; `gateway.training.flower` has each in its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

import numpy as np
import torch
from torch import Tensor

from gateway.model.training import Plan
from gateway.model.training_parties import Federation, Site
from gateway.training.course import Course, site_name
from gateway.training.players import Player
from gateway.training.school import School
from gateway.training.state import State

Weights = Mapping[str, Tensor]


def shared(weights: Weights, own: Sequence[str]) -> Weights:
    """Leave out what stays at its site."""
    return {name: one for name, one in weights.items() if not any(fnmatchcase(name, glob) for glob in own)}


def averaged(weights: Sequence[Weights], shares: Sequence[float]) -> dict[str, Tensor]:
    """Average the weights of sites, each by its share."""
    whole = sum(shares)
    return {
        name: torch.stack([one[name] * (share / whole) for one, share in zip(weights, shares, strict=True)]).sum(dim=0)
        for name in weights[0]
    }


class FederatedCourse:
    """Every step is a round: sites take theirs, and the network becomes their mean."""

    def __init__(self, plan: Plan, federation: Federation, state: State, device: torch.device) -> None:
        self.plan, self.state, self._federation = plan, state, federation
        self._locals = [
            LocalCourse(plan, site, state.rivals[site_name(site)], device=device, stream=number)
            for number, site in enumerate(federation.sites)
        ]

    def step(self) -> float:
        """Let every site take its steps; gives the mean loss."""
        state, federation = self.state, self._federation
        network = state.learner.module
        sent = shared(network.state_dict(), federation.own)
        losses = [one.learn(sent, state.step) for one in self._locals]
        shares = [site.weight for site in federation.sites]
        network.load_state_dict(averaged([one.weights for one in self._locals], shares))
        state.step += 1
        with torch.no_grad():
            state.take_mean(self.plan.fit.average)
        return float(np.average(losses, weights=shares))


class LocalCourse:
    """What a site does between two means: it takes the common weights, and steps on scans that nobody else sees."""

    def __init__(self, plan: Plan, site: Site, player: Player, *, device: torch.device, stream: int) -> None:
        self._player, self._steps = player, plan.federation.local_steps if plan.federation else 1
        fit = plan.fit.model_copy(update={"steps": plan.fit.steps * self._steps})
        local = plan.model_copy(update={"data": site.data, "federation": None, "fit": fit})
        self._course = Course(local, State.new(player, {}), School(local, device=device, stream=stream))

    @property
    def state(self) -> State:
        """How far this site has come."""
        return self._course.state

    @property
    def weights(self) -> Weights:
        """Those of this site."""
        return self._player.module.state_dict()

    def learn(self, sent: Weights, number: int) -> float:
        """Begin with the common weights and take the steps of a round; gives the mean loss."""
        self._player.module.load_state_dict(sent, strict=False)
        self._course.state.step = number * self._steps
        return float(np.mean([self._course.step() for _ in range(self._steps)]))
