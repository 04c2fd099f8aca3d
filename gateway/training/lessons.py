"""From slices of which lines were left out to a lesson, in the units of the network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from gateway.model.networks import Prior
from gateway.model.training import KNOWS_IMAGES, Plan
from gateway.recon.coil_maps import Seen
from gateway.recon.fourier import inverse_fourier
from gateway.recon.networks.observed import (
    Observed,
    in_units,
    joined,
    mean_phase,
    observe,
    observe_planes,
    observe_volumes,
    of_each,
)
from gateway.recon.parallel import Group, line_power
from gateway.training.masking import Masked
from gateway.training.procedural import Random
from gateway.training.simulation import PLANE, SLAB, FullSlice

EMPTY = 0.05
"""Slabs of which the brightest is less than this share of the image hold nothing to learn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """Some slabs of one slice, in the units of the network.

    Parameters
    ----------
    shown
        What the network gets.
    image
        What it should make, where that is known. Complex. Shape `(batch x y)`.
    samples
        What coils measured. Shape `(batch coil x y)`.
    counted
        1 for the lines of ``samples`` that the network is held to. Shape `(batch 1 y)`, of planes `(batch x y)`.
    """

    shown: Observed
    image: Tensor | None
    samples: Tensor
    counted: Tensor

    def to(self, device: torch.device) -> Lesson:
        """Take it to a device."""
        image = None if self.image is None else self.image.to(device)
        samples, counted = self.samples.to(device), self.counted.to(device)
        return Lesson(shown=self.shown.to(device), image=image, samples=samples, counted=counted)


def lesson(frames: Sequence[Masked], plan: Plan, random: Random) -> Lesson:
    """Cut slabs out of a slice, as many as a step sees; of frames that belong together, the same of all."""
    parts = []
    for x in _slabs(frames[0], plan, random):
        cuts = [_cut(frame, x) for frame in frames]
        unit = _unit_of(frames[0], cuts[0])
        parts += [_in_unit(cut, unit) for cut in cuts]
    joint = joined_lessons(parts)
    return noised(joint if plan.paradigm in KNOWS_IMAGES else replace(joint, image=None), plan, random)


def joined_lessons(parts: Sequence[Lesson]) -> Lesson:
    """Make one batch of several."""
    images = [part.image for part in parts if part.image is not None]
    return Lesson(
        shown=joined([part.shown for part in parts]),
        image=torch.cat(images) if images else None,
        samples=torch.cat([part.samples for part in parts]),
        counted=torch.cat([part.counted for part in parts]),
    )


def noised(lesson: Lesson, plan: Plan, random: Random) -> Lesson:
    """Show a prior the image under noise of some strength, each on a logarithmic scale; others what they were shown."""
    if lesson.image is None or not isinstance(plan.network, Prior):
        return lesson
    quietest, noisiest = np.log([plan.network.quietest, plan.network.noisiest])
    strengths = torch.from_numpy(np.exp(random.uniform(quietest, noisiest, len(lesson.image)))).to(lesson.shown.noise)
    drawn = random.standard_normal((*lesson.image.shape, 2), np.float32) / math.sqrt(2)
    noise = strengths[:, None, None] * torch.view_as_complex(torch.from_numpy(drawn))
    return replace(lesson, shown=replace(lesson.shown, start=lesson.image + noise, noise=strengths))


def whole_lesson(frames: Sequence[Masked]) -> tuple[Lesson, Tensor]:
    """Show whole slices, in the units that they would have in use; gives also the root sum of squares of every line."""
    parts = [_cut(frame, slice(None)) for frame in frames]
    unit = _unit_of(frames[0], parts[0])
    truths = [_sum_of_squares(frame.full) / unit.abs().flatten()[0] for frame in frames]
    return joined_lessons([_in_unit(part, unit) for part in parts]), torch.cat(truths)


def _slabs(slice_: Masked, plan: Plan, random: Random) -> list[slice]:
    """Choose positions along the readout; those of a plane are k-space, and not to be cut."""
    if slice_.full.axes == PLANE:
        return [slice(None)]
    n_x = slice_.full.data.shape[-1]
    width = min(plan.fit.slab or n_x, n_x)
    profile = slice_.seen.prior[0].amax(dim=(0, 1)).sqrt()
    good = np.flatnonzero([bool(profile[x : x + width].max() > EMPTY * profile.max()) for x in range(n_x - width + 1)])
    return [slice(int(x), int(x) + width) for x in random.choice(good, plan.fit.slabs)]


def _unit_of(slice_: Masked, slab: Lesson) -> Tensor:
    """Give the brightness of the whole slice in the phase of a slab. Shape `(1 1 1)`."""
    return of_each(slice_.bright() * mean_phase(slab.shown.start), slab.shown.start)


def _in_unit(part: Lesson, unit: Tensor) -> Lesson:
    image = None if part.image is None else part.image / unit
    return replace(part, shown=in_units(part.shown, unit), image=image, samples=part.samples / unit[:, None])


def _cut(slice_: Masked, x: slice) -> Lesson:
    """Cut some positions along the readout out of a slice; of a plane all."""
    full, shown = slice_.full, _shown(slice_, x)
    coils = readout_first(inverse_fourier(full.clean[..., x], full.axes), 1)
    return Lesson(
        shown=shown,
        image=(shown.maps[0].conj() * coils).sum(dim=0)[None],
        samples=readout_first(full.data[..., x], 1)[None],
        counted=readout_first(slice_.counted, 0)[None].to(shown.filled.dtype),
    )


def _shown(slice_: Masked, x: slice) -> Observed:
    """Bring some positions along the readout to what networks are given."""
    full, filled, begun = slice_.full, slice_.filled, slice_.begun
    if full.axes == PLANE:
        group = _group(full.data.transpose(-2, -1)[None, ..., None], filled.T[None], full.noise_power)
        return observe_planes(group, slice_.seen, torch.zeros(1, dtype=torch.int64))
    seen = Seen(maps=slice_.seen.maps[..., x], prior=slice_.seen.prior[..., x])
    if full.axes == SLAB:
        return observe_volumes(_group(full.data[None, ..., x], filled.movedim(-1, 0), full.noise_power), seen)
    group = _group(full.data[None, :, None, :, x], filled.T[None], full.noise_power)
    if begun is None:
        return observe(group, seen, full.noise_power)
    return begun.noisy(observe(group, seen, full.noise_power, begun.instead_of_sense(x)))


def readout_first(values: Tensor, axis: int) -> Tensor:
    """Bring the readout, which lies last, before what lies across it, as networks have it."""
    return values.movedim(-1, axis)


def _group(data: Tensor, filled: Tensor, noise_power: float) -> Group:
    """Collect one frame `(1 coil z y x)` as methods get it; filled is `(1 z y)`."""
    return Group(
        data=data,
        filled=filled,
        power=line_power(data[0])[None],
        spread=data.new_empty(0).real,
        block=data[0],
        numbers=(0,),
        seeds=torch.zeros(1, dtype=torch.int64),
        scale=1.0,
        noise_power=noise_power,
    )


def _sum_of_squares(full: FullSlice) -> Tensor:
    """Combine coils. Shape `(1 x y)`."""
    image: Tensor = torch.linalg.vector_norm(inverse_fourier(full.clean, full.axes), dim=0)
    return readout_first(image, 0)[None]
