"""By which dimensions the frames of an Enhanced object are ordered (PS3.3 C.7.6.17), and where each frame stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.dicom import mr
from gateway.dicom.layout import PlacedImage
from gateway.model.header import ScanHeader
from gateway.model.image import Frame

_LOCATION_DIGITS = 3
"""Frames whose places differ by less than a micrometre are at the same one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimension:
    """One dimension: which attribute tells its places apart, in which functional group, and by what they are sorted."""

    pointer: str
    group: str
    place: Callable[[PlacedImage], Any]
    always: bool = False
    """Whether it is there when all frames are at one place."""


def _slice_place(image: PlacedImage) -> tuple[float, int]:
    return round(image.plane.location_mm, _LOCATION_DIGITS), image.frame.slice


TIME = Dimension(pointer="TemporalPositionIndex", group="FrameContentSequence", place=lambda i: i.frame.repetition)
PHASE = Dimension(
    pointer="NominalCardiacTriggerDelayTime", group="CardiacSynchronizationSequence", place=lambda i: i.frame.phase
)
ECHO = Dimension(pointer="EffectiveEchoTime", group="MREchoSequence", place=lambda i: i.frame.contrast)
STACK = Dimension(pointer="StackID", group="FrameContentSequence", place=lambda i: i.stack, always=True)
SLICE = Dimension(pointer="InStackPositionNumber", group="FrameContentSequence", place=_slice_place, always=True)

LABEL = "FrameLabel"
"""Tells apart what has a counter and no value with a unit: sets, and echoes or cardiac phases without their times."""

WORDS = {"contrast": "echo"}
"""What people call a counter, where that is another word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimensions:
    """The dimensions of one object, with the places of each in their order, counted from 1."""

    used: tuple[Dimension, ...]
    ranks: Mapping[Dimension, Mapping[tuple[int, Any], int]]

    counters: tuple[str, ...]
    """Those of a frame that its label names."""

    def label(self, frame: Frame) -> str:
        """Name what has no value with a unit, counted from 1 as people do."""
        return ", ".join(f"{WORDS.get(name, name)} {getattr(frame, name) + 1}" for name in self.counters)

    def names(self, pointer: str) -> bool:
        """Say whether an attribute is needed to tell the frames apart."""
        return any(dimension.pointer == pointer for dimension in self.used)

    def index(self, image: PlacedImage, dimension: Dimension) -> int:
        """Say where an image stands in one dimension."""
        return self.ranks[dimension][_within(dimension, image)]

    def indices(self, image: PlacedImage) -> list[int]:
        """Say where an image stands in all of them: Dimension Index Values."""
        return [self.index(image, dimension) for dimension in self.used]


def dimensions_of(images: Sequence[PlacedImage], header: ScanHeader) -> Dimensions:
    """Find the dimensions in which the images of an object differ, slowest first, as they are sorted."""
    timed_phases = all(mr.trigger_time_ms(image.frame, header) is not None for image in images)
    timed_echoes = all(mr.nth(header.sequence.echo_time_ms, image.frame.contrast) for image in images)

    untimed = {"set": True, "phase": not timed_phases, "contrast": not timed_echoes}
    counters = tuple(counter for counter, is_untimed in untimed.items() if is_untimed)
    label = Dimension(
        pointer=LABEL,
        group="FrameContentSequence",
        place=lambda image: tuple(getattr(image.frame, counter) for counter in counters),
    )
    named = (*((PHASE,) if timed_phases else ()), *((ECHO,) if timed_echoes else ()))
    ranks = {dimension: _ranks(dimension, images) for dimension in (TIME, label, *named, STACK, SLICE)}
    used = (dimension for dimension, places in ranks.items() if dimension.always or len(places) > 1)
    return Dimensions(used=tuple(used), ranks=ranks, counters=counters)


def _within(dimension: Dimension, image: PlacedImage) -> tuple[int, Any]:
    """Count slices in each stack by themselves."""
    return (image.stack if dimension is SLICE else 0, dimension.place(image))


def _ranks(dimension: Dimension, images: Sequence[PlacedImage]) -> dict[tuple[int, Any], int]:
    ranks: dict[tuple[int, Any], int] = {}
    n_of: dict[int, int] = {}
    for key in sorted({_within(dimension, image) for image in images}):
        n_of[key[0]] = n_of.get(key[0], 0) + 1
        ranks[key] = n_of[key[0]]
    return ranks
