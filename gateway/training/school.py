"""Who gives lessons: draws a slice, leaves lines out, cuts slabs; everything follows from seed, step and who asks."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from gateway.model.training import Masks, Paradigm, Pattern, Plan
from gateway.training.lessons import Lesson, lesson
from gateway.training.lines import LearnedLines, by_lines
from gateway.training.masking import Masked, masked
from gateway.training.procedural import Random
from gateway.training.sources import source_of
from gateway.training.stacks import frames_of

SLICES, SLABS, VALIDATION, WEIGHTS, REFERENCES = range(5)
"""What is drawn; each has random numbers of its own."""
EVERY_LINE = Masks(patterns=(Pattern.EQUISPACED,), accelerations=(1,))


def random_of(plan: Plan, what: int, number: int, stream: int = 0) -> Random:
    """Give the random numbers of one thing; each process and each site is a stream."""
    return np.random.default_rng([plan.seed, what, number, *([stream] if stream else [])])


class School:
    """Gives the lesson of a step; the slice is kept for the steps that share it."""

    def __init__(self, plan: Plan, *, device: torch.device, stream: int = 0) -> None:
        self._plan, self._device, self._stream = plan, device, stream
        self._sources = [source_of(one) for one in plan.data]
        self._unlabelled = [source_of(one) for one in plan.unlabelled]
        self._references = [source_of(one) for one in plan.references]
        self._self_taught = plan.model_copy(update={"paradigm": Paradigm.SSDU})
        self._whole = plan.model_copy(update={"paradigm": Paradigm.SUPERVISED, "masks": EVERY_LINE})
        self._slice = lru_cache(maxsize=1)(self._drawn)

    @torch.no_grad()
    def lesson(self, step: int) -> Lesson:
        """Cut the slabs of a step."""
        frames, plan = self._slice(step // self._plan.fit.reuse)
        return lesson(frames, plan, self._random(SLABS, step)).to(self._device)

    def lesson_by(self, lines: LearnedLines, step: int) -> Lesson:
        """Cut the slabs of a step out of a slice whose lines a network chooses."""
        random = self._random(SLICES, step)
        with torch.no_grad():
            full = self._sources[int(random.integers(len(self._sources)))](random)
        kept = lines.draw(len(full.filled), self._plan.masks, random) * full.filled[:, 0].to(self._device)
        with torch.no_grad():
            slice_ = masked(full, self._plan, random, lines=kept.detach().cpu()[:, None] > 0.5)  # noqa: PLR2004 - it is 0 or 1
            shown = lesson([slice_], self._plan, self._random(SLABS, step)).to(self._device)
        return by_lines(shown, kept)

    @torch.no_grad()
    def reference(self, step: int) -> Tensor:
        """Cut slabs of an image of a reference. Magnitudes. Shape `(batch x y)`."""
        random = self._random(REFERENCES, step)
        full = self._references[int(random.integers(len(self._references)))](random)
        shown = lesson([masked(full, self._whole, random)], self._whole, random)
        if shown.image is None:
            raise AssertionError("a lesson of every line has an image")
        return shown.image.abs().to(self._device)

    def _random(self, what: int, number: int) -> Random:
        return random_of(self._plan, what, number, self._stream)

    def _drawn(self, number: int) -> tuple[list[Masked], Plan]:
        """Draw a slice, or frames that belong together, and say how they teach."""
        random, sources, plan = self._random(SLICES, number), self._sources, self._plan
        if self._unlabelled and random.random() >= plan.fit.labelled:
            sources, plan = self._unlabelled, self._self_taught
        full = sources[int(random.integers(len(sources)))](random)
        return [masked(frame, plan, random) for frame in frames_of(full, plan, random)], plan
