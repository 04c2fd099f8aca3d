"""Which lines of a slice a network is shown, and which it is held to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gateway.model.errors import BadScan
from gateway.model.recipes import SenseRecipe
from gateway.model.training import KNOWS_IMAGES, Masks, Paradigm, Pattern, Plan
from gateway.recon import masks
from gateway.recon.coil_maps import Seen, see
from gateway.recon.networks.observed import bright_part
from gateway.recon.networks.scope import calibration_lines
from gateway.training.beginning import Beginning, beginning_of
from gateway.training.procedural import Random
from gateway.training.simulation import PLANE, SLAB, FullSlice

MAPS = SenseRecipe()
ALWAYS_SHOWN = 8
"""Lines around the centre that self-supervision never holds back."""
TO_JUDGE = 0.2
"""Share of the measured lines by which zero-shot training is stopped."""
BOTH = 2
"""Directions of a mask: lines and partitions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Masked:
    """A slice of which lines were left out, and what its calibration shows.

    Parameters
    ----------
    filled, counted
        Which lines are shown, and which the network is held to. Shape `(y, 1)`, of a plane `(y x)`.
    begun
        What the network begins with; None for SENSE.
    """

    full: FullSlice
    filled: Tensor
    counted: Tensor
    seen: Seen
    begun: Beginning | None = None

    def bright(self) -> Tensor:
        """Say how bright the bright parts of the slice are, as the network is told in use. Shape `(1,)`."""
        if self.begun is not None and self.begun.alone:
            return self.begun.bright()
        if self.full.bright is not None:
            return self.seen.prior.new_full((1,), self.full.bright)
        return bright_part(self.seen.prior[:1].sqrt())


def mask_of(chosen: Masks, shape: Sequence[int], random: Random) -> Tensor:
    """Draw which lines of a slice are kept, or which points of a plane.

    Parameters
    ----------
    shape
        `(y, 1)`, or of a plane `(y x)`, or of a slab `(z y 1)`; that of the mask, too.
    """
    if len(shape) > len(PLANE):
        return torch.from_numpy(_points(chosen, shape[0], shape[1], random))[..., None]
    n_y, n_x = shape
    drawn = _lines(chosen, n_y, random)[:, None] if n_x == 1 else _points(chosen, n_x, n_y, random).T
    return torch.from_numpy(np.ascontiguousarray(drawn))


def _points(chosen: Masks, n_z: int, n_y: int, random: Random) -> masks.Bools:
    pattern, n_calibration = random.choice(chosen.patterns), int(random.choice(chosen.n_calibration))
    acceleration = int(random.choice(chosen.accelerations))
    if pattern == Pattern.CENTRE:
        return masks.centre_block(n_z, n_y, acceleration=acceleration)
    reached = max(1, min(acceleration, n_z * n_y // (n_calibration**2 + 1)))
    return masks.POINTS[pattern](n_z, n_y, acceleration=reached, n_calibration=n_calibration, random=random)


def _lines(chosen: Masks, n: int, random: Random) -> masks.Bools:
    pattern, n_calibration = random.choice(chosen.patterns), int(random.choice(chosen.n_calibration))
    acceleration = int(random.choice(chosen.accelerations))
    if pattern == Pattern.CENTRE:
        lines = masks.centre_lines(n, acceleration=acceleration)
    elif pattern == Pattern.EQUISPACED:
        offset = int(random.integers(acceleration))
        lines = masks.equispaced(n, step=acceleration, n_calibration=n_calibration, offset=offset)
    else:
        reached = min(float(acceleration), n / (n_calibration + 1))
        lines = masks.DRAWN[pattern](n, acceleration=reached, n_calibration=n_calibration, random=random)
    return lines


def masked(
    full: FullSlice, plan: Plan, random: Random, *, lines: Tensor | None = None, for_validation: bool = False
) -> Masked:
    """Leave lines out, and hold some back where the network is to teach itself.

    Parameters
    ----------
    lines
        Those that are kept, where somebody has chosen them. Boolean. Shape `(y, 1)`.

    Raises
    ------
    BadScan
        The scan is not one of every line, though the network is to be held to the image.
    """
    if full.axes == PLANE and BOTH not in plan.masks.directions:
        raise BadScan("partitions were encoded: what is learned of slabs is learned by masks.directions = [2]")
    if lines is None and full.axes != SLAB and _drawn_directions(plan.masks, random) == BOTH:
        full = full.as_plane()
    filled = _kept(full, plan, random, lines)
    seen = _seen(full, filled)
    shown, counted = _parted(filled, plan, random, for_validation=for_validation)
    return Masked(full=full, filled=shown, counted=counted, seen=seen, begun=beginning_of(full, shown, plan))


def _drawn_directions(chosen: Masks, random: Random) -> int:
    """Draw in how many directions a mask leaves points out."""
    return int(random.choice(chosen.directions)) if len(chosen.directions) > 1 else chosen.directions[0]


def _seen(full: FullSlice, filled: Tensor) -> Seen:
    """Estimate what calibration shows: of a slice `(set coil 1 y x)`, of a plane `(set coil x y 1)`."""
    if full.axes == PLANE:
        block = _block(full.data, filled).transpose(-2, -1)[..., None].contiguous()
        return see(block, (filled.shape[1], filled.shape[0]), MAPS)
    if full.axes == SLAB:
        block = _block(full.data.movedim(-1, 0), filled[..., 0]).movedim(0, -1).contiguous()
        return see(block, filled.shape[:2], MAPS)
    half = calibration_lines(filled[:, 0].numpy()) // 2
    if not half:
        raise BadScan("the line at the centre of k-space is missing")
    centre = len(filled) // 2
    return see(full.data[:, None, centre - half : centre + half], (1, len(filled)), MAPS)


def _block(data: Tensor, filled: Tensor) -> Tensor:
    """Cut the square without gaps out of the middle of two axes of k-space, the last ones."""
    centre_y, centre_x = (n // 2 for n in filled.shape)
    half = 0
    while half < min(centre_y, centre_x) and bool(_around(filled, half + 1).all()):
        half += 1
    if not half:
        raise BadScan("the point at the centre of k-space is missing")
    return _around(data, half)


def _around(values: Tensor, half: int) -> Tensor:
    centre_y, centre_x = (n // 2 for n in values.shape[-2:])
    return values[..., centre_y - half : centre_y + half, centre_x - half : centre_x + half]


def _kept(full: FullSlice, plan: Plan, random: Random, lines: Tensor | None) -> Tensor:
    """Draw the lines of a slice; those of the one scan of zero-shot training are always the same."""
    if not full.whole:
        if plan.paradigm in KNOWS_IMAGES:
            missing = f"lines are missing from {full.origin or 'a scan'}"
            raise BadScan(f"{missing}; {plan.paradigm} training needs every line, ssdu does not")
        return full.filled
    if lines is not None:
        return lines & full.filled
    drawn = np.random.default_rng(plan.seed) if plan.paradigm is Paradigm.ZERO_SHOT else random
    return mask_of(plan.masks, full.filled.shape, drawn) & full.filled


def _parted(filled: Tensor, plan: Plan, random: Random, *, for_validation: bool) -> tuple[Tensor, Tensor]:
    """Say which lines are shown, and which count; zero-shot training never sees those that judge it."""
    if plan.paradigm in KNOWS_IMAGES:
        return filled, torch.ones_like(filled)
    if plan.paradigm is Paradigm.UNPAIRED:
        return filled, filled
    if plan.paradigm is Paradigm.ZERO_SHOT:
        open_lines, judge = _split(filled, TO_JUDGE, np.random.default_rng(plan.seed))
        return (open_lines, judge) if for_validation else _split(open_lines, plan.fit.held_out, random)
    return _split(filled, plan.fit.held_out, random)


def _split(filled: Tensor, share: float, random: Random) -> tuple[Tensor, Tensor]:
    """Part the measured lines into those that are shown and those that are held back."""
    free = filled.clone()
    middle = [
        slice(n // 2 - ALWAYS_SHOWN // 2, n // 2 + ALWAYS_SHOWN // 2) if n > 1 else slice(None) for n in free.shape
    ]
    free[*middle] = False
    lines = np.flatnonzero(free.numpy())
    held = torch.zeros_like(filled)
    held.view(-1)[random.choice(lines, size=max(1, round(share * len(lines))), replace=False)] = True
    return filled & ~held, held
