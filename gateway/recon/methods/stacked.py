"""Frames that a network reconstructs together, whatever slices they are of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from gateway.model.errors import BadScan
from gateway.model.recipes import Imaging, SenseRecipe
from gateway.recon.cartesian_problem import to_target
from gateway.recon.coil_maps import Seen, see
from gateway.recon.kspace import Progress
from gateway.recon.lines import FRAME_INDICES, Ints
from gateway.recon.networks.observed import Observed, bright_part, in_units, joined, mean_phase, observe
from gateway.recon.networks.stack import Stack
from gateway.recon.parallel import Group, Undersampled, group_of
from gateway.recon.pictures import Album, Picture
from gateway.recon.workplace import Workplace

MAPS = SenseRecipe()
WORK = 24
"""Memory that a frame of a stack takes, in multiples of its data."""
COUNTERS = {"time": ("repetition", "phase"), "slices": ("slice",), "contrasts": ("contrast", "set")}
"""What changes along a stack; all else is the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stacks:
    """A scan whose frames are reconstructed together, and by what.

    Parameters
    ----------
    begin
        From SENSE's images of a group to those that the network begins with, `(frame x y)`; None for SENSE's.
    """

    scan: Undersampled
    network: Stack
    place: Workplace
    begin: Callable[[Tensor, Group], Tensor] | None = None

    def observed(self, group: Group, seen: Seen, scale: float) -> Observed:
        """Bring a frame to what a network is given, in units of a scale."""
        shown = observe(group, seen, group.noise_power)
        if self.begin is not None:
            shown = replace(shown, start=self.begin(shown.start, group))
        return in_units(shown, torch.full((1, 1, 1), scale / group.scale, device=group.data.device))


def reconstruct_stacks(stacks: Stacks, recipe: Imaging, progress: Progress) -> Album:
    """Reconstruct every stack; one that the memory does not hold is cut.

    Raises
    ------
    BadScan
        The noise is asked for, which nobody knows.
    """
    lines = stacks.scan.sorter.lines
    album = Album(recipe, lines.n_frames, stacks.scan.target, progress)
    if album.wants_noise:
        raise BadScan("the noise of frames that are reconstructed together is not known: ask for no map of it")
    for stack in stacks_of(lines.indices, stacks.network.along):
        for at in stacks.place.pieces(len(stack), WORK * lines.frame_bytes):
            _keep(stacks, stack[at], album)
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


def _keep(stacks: Stacks, numbers: list[int], album: Album) -> None:
    """Reconstruct some frames of a stack together, in one unit."""
    scan = stacks.scan
    groups = [group_of(scan, [number], stacks.place) for number in numbers]
    slices = [scan.slice_of(number) for number in numbers]
    known = {at: see(group.block, group.filled.shape[1:], MAPS) for at, group in zip(slices, groups, strict=True)}
    scale = groups[0].scale
    stack = joined([stacks.observed(group, known[at], scale) for group, at in zip(groups, slices, strict=True)])
    unit = common_unit(stack)
    made = stacks.network(in_units(stack, unit)) * unit * scale
    for number, image, at in zip(numbers, made, slices, strict=True):
        album.keep(number, Picture(image=to_target(image[None, None, :, None], known[at].maps, scan.target)[0]))


def common_unit(stack: Observed) -> Tensor:
    """Give one unit for all frames: the brightness and the mean phase of the whole stack. Shape `(1 1 1)`."""
    bright = bright_part(stack.brightness.flatten(0, 1)[None])
    return (bright * mean_phase(stack.start.flatten(0, 1)[None]))[:, None, None]
