"""How far training has come, in one file of tensors: what is read again gives the same bits as never having stopped."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from gateway import whole
from gateway.model.errors import StorageFault, UnreadableFile, WrongCall
from gateway.training.players import Player

STATE = "state.safetensors"
NEVER = float("inf")


@dataclass(slots=True, kw_only=True)
class State:
    """Weights, their mean, the best of these means, and everybody's optimiser with its moments."""

    learner: Player
    rivals: dict[str, Player]
    """Who learns beside the network: opponents, a pattern of lines, sites."""
    average: dict[str, Tensor]
    best: dict[str, Tensor]
    step: int = 0
    best_score: float = NEVER
    best_step: int = 0

    @classmethod
    def new(cls, learner: Player, rivals: dict[str, Player]) -> State:
        """Begin."""
        weights = _copied(learner.module.state_dict())
        return cls(learner=learner, rivals=rivals, average=weights, best=_copied(weights))

    def take_mean(self, kept: float) -> None:
        """Move the mean of the weights towards the weights; at first, faster."""
        share = min(kept, (1 + self.step) / (10 + self.step))
        for name, weight in self.learner.module.state_dict().items():
            self.average[name].lerp_(weight.to(self.average[name].dtype), 1 - share)

    def judge(self, score: float) -> None:
        """Keep the mean of the weights if it is the best so far."""
        if score < self.best_score:
            self.best, self.best_score, self.best_step = _copied(self.average), score, self.step


def save(state: State, folder: Path, plan: str) -> None:
    """Write the state; an older one is there until the new one is whole on disk."""
    tensors = {
        **_named(state.learner, ""),
        **{name: one for rival, player in state.rivals.items() for name, one in _named(player, f"{rival}/").items()},
        **{f"average/{name}": one for name, one in state.average.items()},
        **{f"best/{name}": one for name, one in state.best.items()},
    }
    said = {"plan": plan, "step": state.step, "best_score": state.best_score, "best_step": state.best_step}
    content = safetensors.torch.save(
        {name: one.detach().cpu().contiguous().clone() for name, one in tensors.items()}, {"state": json.dumps(said)}
    )
    write_whole(folder / STATE, content)


def _named(player: Player, prefix: str) -> dict[str, Tensor]:
    """Give the tensors of a player names of their own."""
    moments = sorted(player.optimiser.state_dict()["state"].items())
    return {
        **{f"{prefix}network/{name}": one for name, one in player.module.state_dict().items()},
        **{
            f"{prefix}moments/{number}/{name}": one
            for number, named in moments
            for name, one in named.items()
            if isinstance(one, Tensor)
        },
    }


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
    _restore(state.learner, tensors, "")
    for rival, player in state.rivals.items():
        _restore(player, tensors, f"{rival}/")
    for part, kept in (("average/", state.average), ("best/", state.best)):
        for name, tensor in _below(tensors, part).items():
            kept[name].copy_(tensor)
    state.step, state.best_score, state.best_step = said["step"], said["best_score"], said["best_step"]
    return True


def _restore(player: Player, tensors: dict[str, Tensor], prefix: str) -> None:
    player.module.load_state_dict(_below(tensors, f"{prefix}network/"))
    whole = player.optimiser.state_dict()
    player.optimiser.load_state_dict({**whole, "state": _numbered(_below(tensors, f"{prefix}moments/"))})


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): one for name, one in tensors.items() if name.startswith(prefix)}


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
