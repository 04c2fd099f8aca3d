"""Several processes that train one network, as torch's launcher starts them: each has a GPU, and slices of its own.

``torchrun --nproc-per-node 4 -m gateway train CONFIG.toml --out FOLDER``: gradients are averaged, so every process has
the same weights; the first one looks, writes and speaks. Started by itself, a process is the first of one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed, nn


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """Which of how many processes this is."""

    rank: int = 0
    world: int = 1

    @property
    def leads(self) -> bool:
        """Whether this one looks, writes and speaks."""
        return self.rank == 0

    def average_gradients(self, module: nn.Module) -> None:
        """Give every process the mean of the gradients of all."""
        if self.world == 1:
            return
        for weight in module.parameters():
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
            distributed.all_reduce(weight.grad)
            weight.grad /= self.world

    def agree(self, *, yes: bool, device: torch.device) -> bool:
        """Decide as the first process does."""
        if self.world == 1:
            return yes
        said = torch.tensor([float(yes)], device=device)
        distributed.broadcast(said, src=0)
        return bool(said.item())

    def meet(self) -> None:
        """Wait for all."""
        if self.world > 1:
            distributed.barrier()

    def own(self, device: torch.device) -> torch.device:
        """Give each process of a machine a GPU of its own."""
        if self.world == 1 or device.type != "cuda":
            return device
        return torch.device("cuda", self.rank % torch.cuda.device_count())


ALONE = Ranks()


@contextmanager
def together(device: torch.device) -> Iterator[Ranks]:
    """Join the processes that torch's launcher has started with this one; without it, be alone."""
    if not distributed.is_torchelastic_launched():
        yield Ranks()
        return
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Ranks(rank=distributed.get_rank(), world=distributed.get_world_size())
    finally:
        distributed.destroy_process_group()
