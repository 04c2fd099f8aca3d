"""The same method on one frame, with something changed in k-space: lines left out, or details put in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

from gateway.model.errors import BadScan
from gateway.model.image import ImageKind, ImageSeries, Pixels
from gateway.recon.scan import Scan

Bools = npt.NDArray[np.bool_]
Engine = Callable[[Scan], tuple[ImageSeries, ...]]
"""A method with its recipe."""

SHARE = 0.1
"""Of the lines that can be spared, which are left out."""
FEWEST = 2


class Rerun(Protocol):
    """One frame of a scan as a scan of its own, to be measured a little differently."""

    def check(self) -> None:
        """Refuse what cannot be changed line by line.

        Raises
        ------
        BadScan
            Saying why.
        """

    def spare(self, random: np.random.Generator) -> Bools:
        """Draw lines that a method can do without. Shape `(line,)`.

        Raises
        ------
        BadScan
            There are too few.
        """

    def without(self, dropped: Bools) -> Pixels:
        """Reconstruct without some lines. Shapes `(line,)` to `(z y x)`."""

    def with_added(self, samples: Tensor) -> Pixels:
        """Reconstruct with something added in the units of the scan. Shapes `(coil line sample)` to `(z y x)`."""


def drawn(there: Bools, random: np.random.Generator) -> Bools:
    """Draw a share of those lines that can be spared. Shape `(line,)`.

    Raises
    ------
    BadScan
        There are too few.
    """
    lines = np.flatnonzero(there)
    n = max(FEWEST, round(SHARE * len(lines)))
    if len(lines) < 3 * n:
        raise BadScan("too few lines were measured beyond the calibration to spare any")
    chosen = np.zeros_like(there)
    chosen[random.choice(lines, n, replace=False)] = True
    return chosen


def magnitude(made: tuple[ImageSeries, ...]) -> Pixels:
    """Take the magnitudes. Shape `(image y x)`."""
    pixels: Pixels = next(one.pixels for one in made if one.kind is ImageKind.MAGNITUDE)
    return pixels


def nothing_said(_fraction: float, _doing: str) -> None:
    """Take progress that nobody follows."""


def nothing_told(_sentence: str) -> None:
    """Take what nobody wants to hear."""
