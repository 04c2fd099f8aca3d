"""Frames that go through a network together, whatever slices they are of: stacks that need each other, and batches.

Batches have a fixed size, not one by the memory that happens to be free: rounding depends on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from gateway.model.errors import BadScan
from gateway.model.recipes import Imaging, SenseRecipe
from gateway.recon.cartesian_problem import to_target
from gateway.recon.coil_maps import Seen
from gateway.recon.companion import recalled_seen, unfolded_for
from gateway.recon.kspace import Progress
from gateway.recon.lines import FRAME_INDICES, Ints
from gateway.recon.networks.observed import (
    Observed,
    bright_part,
    in_own_units,
    in_units,
    joined,
    mean_phase,
    observe,
    observe_volumes,
    of_each,
)
from gateway.recon.networks.stack import Stack
from gateway.recon.parallel import Group, Undersampled, group_of
from gateway.recon.pictures import Album, Picture
from gateway.recon.workplace import Workplace

MAPS = SenseRecipe()
"""How sensitivities are estimated for networks that have none of their own."""
WORK = 24
"""Memory that a frame of a stack takes, in multiples of its data."""
BATCH = {"cuda": 8}
"""Frames that go through other networks together, by device; a CPU gains nothing by more than one."""
COUNTERS = {"time": ("repetition", "phase"), "slices": ("slice",), "contrasts": ("contrast", "set")}
"""What changes along a stack; all else is the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """A scan some of whose frames go through a network together.

    Parameters
    ----------
    begin
        From SENSE's images of a group to those that the network begins with, `(frame *space)`; None for SENSE's.
    """

    scan: Undersampled
    network: nn.Module
    place: Workplace
    begin: Callable[[Tensor, Group], Tensor] | None = None

    def batches(self) -> Iterator[list[int]]:
        """List the frames that go together; a stack that the memory does not hold is cut."""
        lines = self.scan.sorter.lines
        if isinstance(self.network, Stack):
            for stack in stacks_of(lines.indices, self.network.along):
                yield from (stack[at] for at in self.place.pieces(len(stack), WORK * lines.frame_bytes))
        else:
            n = BATCH.get(self.place.device.type, 1)
            yield from (list(range(at, min(at + n, lines.n_frames))) for at in range(0, lines.n_frames, n))

    def observed(self, group: Group, seen: Seen, scale: float) -> Observed:
        """Bring a frame to what a network is given, in units of a scale."""
        slab = self.scan.sorter.lines.partitions.n > 1
        if slab:
            shown = observe_volumes(group, seen)
        else:
            shown = observe(group, seen, group.noise_power, unfolded_for(self.scan))
        if self.begin is not None:
            shown = replace(shown, start=self.begin(shown.start, group))
        unit = torch.full((1,), scale / group.scale, device=group.data.device)
        return in_units(shown, of_each(unit, shown.start))


def reconstruct_together(frames: Together, recipe: Imaging, progress: Progress) -> Album:
    """Reconstruct every frame, beside those that it goes with.

    Raises
    ------
    BadScan
        The noise is asked for, which nobody knows.
    """
    album = Album(recipe, frames.scan.sorter.lines.n_frames, frames.scan.target, progress)
    if album.wants_noise:
        raise BadScan("the noise of frames that are reconstructed together is not known: ask for no map of it")
    known: dict[int, Seen] = {}
    for numbers in frames.batches():
        known = _keep(frames, numbers, album, known)
    return album


def stacks_of(indices: Ints, along: str) -> Iterator[list[int]]:
    """List the frames of each stack, in its order.

    Parameters
    ----------
    indices
        Counters of all frames. Shape `(frame counter)`.
    along
        As cards name it.
    """
    fixed = [number for number, name in enumerate(FRAME_INDICES) if name not in COUNTERS[along]]
    which = np.unique(indices[:, fixed], axis=0, return_inverse=True)[1].reshape(-1)
    yield from (np.flatnonzero(which == stack).tolist() for stack in range(which.max() + 1))


def _keep(frames: Together, numbers: list[int], album: Album, known: Mapping[int, Seen]) -> dict[int, Seen]:
    """Reconstruct some frames; gives what calibration shows of their slices, which the next ones may be of, too."""
    scan = frames.scan
    groups = [group_of(scan, [number], frames.place) for number in numbers]
    slices = [scan.slice_of(number) for number in numbers]
    seen: dict[int, Seen] = {}
    for at, group in zip(slices, groups, strict=True):
        seen[at] = seen.get(at) or known.get(at) or recalled_seen(scan, group, MAPS)
    scale = groups[0].scale
    shown = joined([frames.observed(group, seen[at], scale) for group, at in zip(groups, slices, strict=True)])
    observed, unit = _in_units(shown) if isinstance(frames.network, Stack) else in_own_units(shown)
    made = frames.network(observed) * unit * scale
    for number, image, at in zip(numbers, made, slices, strict=True):
        laid = image if image.ndim > 2 else image[:, None]  # noqa: PLR2004 - a volume has its partitions
        album.keep(number, Picture(image=to_target(laid[None, None], seen[at].maps, scan.target)[0]))
    return seen


def _in_units(stack: Observed) -> tuple[Observed, Tensor]:
    """Bring all frames to one unit: the brightness and the mean phase of the whole stack. Shape `(1 1 ...)`."""
    bright = bright_part(stack.brightness.flatten(0, 1)[None])
    unit = of_each(bright * mean_phase(stack.start.flatten(0, 1)[None]), stack.start)
    return in_units(stack, unit), unit
