"""Who learns in a training: a network with its optimiser; rivals and sites are players too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

import torch
from torch import Tensor, nn

from gateway.model.errors import GatewayError
from gateway.training.ranks import ALONE, Ranks

LARGEST_GRADIENT = 1.0
"""Longer ones are cut."""
OPTIMISERS: Mapping[str, Callable[..., torch.optim.Optimizer]] = MappingProxyType(
    {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Player:
    """A network, and how its weights are moved."""

    module: nn.Module
    optimiser: torch.optim.Optimizer
    ranks: Ranks = ALONE

    @classmethod
    def new(cls, module: nn.Module, learning_rate: float, *, optimiser: str = "adam", ranks: Ranks = ALONE) -> Self:
        """Begin."""
        moving = OPTIMISERS[optimiser](module.parameters(), lr=learning_rate)
        return cls(module=module, optimiser=moving, ranks=ranks)

    def at_rate(self, learning_rate: float) -> None:
        """Set the learning rate."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate

    def descend(self, loss: Tensor) -> None:
        """Forget the gradients of before, and take a step down a loss.

        Raises
        ------
        GatewayError
            The loss is no number.
        """
        self.optimiser.zero_grad()
        backward(loss)
        self.step()

    def step(self) -> None:
        """Take a step along the gradients that there are, averaged over all processes."""
        self.ranks.average_gradients(self.module)
        torch.nn.utils.clip_grad_norm_(self.module.parameters(), LARGEST_GRADIENT)
        self.optimiser.step()


def backward(loss: Tensor) -> None:
    """Find the gradients of a loss.

    Raises
    ------
    GatewayError
        It is no number.
    """
    if not torch.isfinite(loss):
        raise GatewayError("the loss is no number; a lower learning rate may help")
    loss.backward()  # type: ignore[no-untyped-call] # torch has no types here
