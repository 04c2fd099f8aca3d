"""What the checks found, and where; the worst image counts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from gateway.model.gate import Check
from gateway.model.image import Pixels
from gateway.recon.checks.intake import InputStatistics

RERUN = (Check.RESPONSE, Check.HELD_OUT)
"""What reconstructs an image again, what is worth more first: lines that a method contradicts, others find as well."""
OF_MAPS = (
    Check.CONSISTENCY,
    Check.AGREEMENT,
    Check.UNCERTAINTY,
    Check.STRUCTURE,
    Check.DETAIL,
    Check.HALVES,
)
"""What has a picture of every image, laid out as the image."""
ALL_BY_OPERATORS = (*OF_MAPS, Check.LINES, Check.COILS, Check.SAMPLING, Check.CLIPPING, *RERUN)


@dataclass(slots=True, kw_only=True)
class Evidence:
    """What the checks found; the worst image counts.

    Parameters
    ----------
    values
        By check.
    frames
        Of each value: the image, counted from 0.
    unchecked
        Why there is no value, by check.
    notes
        What a value is of, where it is not of all images.
    seconds
        What each check cost; the conventional image is counted with agreement.
    maps
        Pictures, by check; zero where an image was not looked at. Shape `(image y x)` each.
    kspace
        Pictures of what was measured, by check, one for each image: of lines `(line sample)`, of coils `(line coil)`.
    reference
        The conventional image, in the units of the images. Shape `(image y x)`.
    deviation
        Standard deviation of its noise. Shape `(image y x)`.
    statistics
        Of the frame in the middle.
    """

    values: dict[Check, float] = field(default_factory=dict)
    frames: dict[Check, int] = field(default_factory=dict)
    unchecked: dict[Check, str] = field(default_factory=dict)
    notes: dict[Check, str] = field(default_factory=dict)
    seconds: dict[Check, float] = field(default_factory=dict)
    maps: dict[Check, Pixels] = field(default_factory=dict)
    kspace: dict[Check, list[Pixels]] = field(default_factory=dict)
    reference: Pixels | None = None
    deviation: Pixels | None = None
    statistics: InputStatistics | None = None

    @classmethod
    def empty(cls, shape: tuple[int, ...]) -> Evidence:
        """Begin, with room for the maps of so many images."""
        made = cls()
        made.make_room(shape)
        return made

    def make_room(self, shape: tuple[int, ...]) -> None:
        """Make maps for so many images."""
        self.maps = {check: np.zeros(shape, np.float32) for check in OF_MAPS}
        self.reference, self.deviation = np.zeros(shape, np.float32), np.zeros(shape, np.float32)

    def found(self, check: Check, value: float, frame: int) -> None:
        """Keep the worst value of a check."""
        if check not in self.values or value > self.values[check]:
            self.values[check], self.frames[check] = value, frame

    @contextmanager
    def timed(self, *checks: Check) -> Iterator[None]:
        """Share the time that a block takes among checks."""
        begun = time.perf_counter()
        yield
        took = (time.perf_counter() - begun) / len(checks)
        for check in checks:
            self.seconds[check] = self.seconds.get(check, 0.0) + took
