"""How far training has come, in one file of tensors: what is read again gives the same bits as never having stopped."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from gateway import whole
from gateway.model.errors import StorageFault, UnreadableFile, WrongCall

STATE = "state.safetensors"
NEVER = float("inf")


@dataclass(slots=True, kw_only=True)
class State:
    """Weights, their mean, the best of these means, and the optimiser's moments."""

    network: nn.Module
    optimiser: torch.optim.Adam
    average: dict[str, Tensor]
    best: dict[str, Tensor]
    step: int = 0
    best_score: float = NEVER
    best_step: int = 0

    @classmethod
    def new(cls, network: nn.Module, learning_rate: float) -> State:
        """Begin."""
        weights = _copied(network.state_dict())
        return cls(
            network=network,
            optimiser=torch.optim.Adam(network.parameters(), learning_rate),
            average=weights,
            best=_copied(weights),
        )

    def take_mean(self, kept: float) -> None:
        """Move the mean of the weights towards the weights; at first, faster."""
        share = min(kept, (1 + self.step) / (10 + self.step))
        for name, weight in self.network.state_dict().items():
            self.average[name].lerp_(weight.to(self.average[name].dtype), 1 - share)

    def judge(self, score: float) -> None:
        """Keep the mean of the weights if it is the best so far."""
        if score < self.best_score:
            self.best, self.best_score, self.best_step = _copied(self.average), score, self.step


def save(state: State, folder: Path, plan: str) -> None:
    """Write the state; an older one is there until the new one is whole on disk."""
    tensors = {
        **{f"network/{name}": one for name, one in state.network.state_dict().items()},
        **{f"average/{name}": one for name, one in state.average.items()},
        **{f"best/{name}": one for name, one in state.best.items()},
        **{f"adam/{number}/{name}": one for number, moments in _moments(state) for name, one in moments.items()},
    }
    said = {"plan": plan, "step": state.step, "best_score": state.best_score, "best_step": state.best_step}
    content = safetensors.torch.save(
        {name: one.detach().contiguous().clone() for name, one in tensors.items()}, {"state": json.dumps(said)}
    )
    write_whole(folder / STATE, content)


def _moments(state: State) -> list[tuple[int, dict[str, Tensor]]]:
    return sorted(state.optimiser.state_dict()["state"].items())


def load(state: State, folder: Path, plan: str) -> bool:
    """Read the state into a new one; False where there is none.

    Raises
    ------
    WrongCall
        It is that of another configuration.
    UnreadableFile
        It is damaged.
    """
    path = folder / STATE
    if not path.exists():
        return False
    said, tensors = _read(path)
    if said["plan"] != plan:
        raise WrongCall(f"{folder} is the training of another configuration; give another folder")
    parts: dict[str, dict[str, Tensor]] = {"network": {}, "average": {}, "best": {}, "adam": {}}
    for name, tensor in tensors.items():
        part, _, rest = name.partition("/")
        parts[part][rest] = tensor
    state.network.load_state_dict(parts["network"])
    state.average, state.best = parts["average"], parts["best"]
    state.step, state.best_score, state.best_step = said["step"], said["best_score"], said["best_step"]
    whole = state.optimiser.state_dict()
    state.optimiser.load_state_dict({**whole, "state": _numbered(parts["adam"])})
    return True


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            said = json.loads((file.metadata() or {})["state"])
            return said, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - is no mapping
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise UnreadableFile(path, "is no state of a training, or damaged") from error


def _numbered(moments: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    numbered: dict[int, dict[str, Tensor]] = {}
    for name, tensor in moments.items():
        number, _, moment = name.partition("/")
        numbered.setdefault(int(number), {})[moment] = tensor
    return numbered


def _copied(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in weights.items()}


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that nobody sees half.

    Raises
    ------
    StorageFault
        It cannot be written.
    """
    try:
        whole.write_whole(path, content, whole.READABLE)
    except OSError as error:
        raise StorageFault(f"{path} cannot be written: {error.strerror}") from error
