"""What is done to filled k-space before it becomes the image: the side that was left out, and the window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from gateway.recon.fourier import fourier, inverse_fourier
from gateway.recon.partial_fourier import Completion, Side, Sides, complete, explained

EXPLAINED = 0.6
"""Of the power of lines held out: where their mirror images explain less, zeros do less harm than a guess."""

ZEROS = "filled with zeros"
X = -1
HYBRID = (-3, -2)
"""Axes of hybrid space that are k-space."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """How k-space is finished, in hybrid space: lines and partitions as measured, readouts cut to the field of view.

    Parameters
    ----------
    completion
        How the missing side of ``sides`` is filled; None to leave zeros.
    sides
        What was measured, by axis; only those that are partial.
    why
        What becomes of the missing side.
    windows
        Weights by axis. Shape `(point,)` each.
    notes
        What the reader of the series should know of them.
    """

    completion: Completion | None = None
    sides: Sides = field(default_factory=dict)
    why: str = ZEROS
    windows: Mapping[int, Tensor] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def idle(self) -> bool:
        """Whether it leaves k-space as it is."""
        return self.completion is None and not self.windows

    @property
    def along_x(self) -> bool:
        """Whether positions along the readout need each other."""
        return X in self.windows or (self.completion is not None and X in self.sides)

    def rest(self, axis: int) -> str:
        """Say what becomes of the part of an axis that was not measured."""
        return self.why if axis in self.sides else ZEROS

    def __call__(self, hybrid: Tensor) -> Tensor:
        """Finish images of one coil or many. Shape `(... z y x)`."""
        if self.idle:
            return hybrid
        kspace = fourier(hybrid, (X,)) if self.along_x else hybrid
        if self.completion is not None:
            axes = (*HYBRID, X) if X in self.sides else HYBRID
            kspace = complete(kspace, self.sides, self.completion, axes=axes)
        for axis, weights in self.windows.items():
            kspace = kspace * weights.to(kspace.device).reshape([-1] + [1] * (-1 - axis))
        return inverse_fourier(kspace, (X,)) if self.along_x else kspace


PLAIN = Finish()
"""Leaves k-space as it is."""


def completion_for(
    wanted: Literal["auto", "zero-fill", "homodyne", "pocs"], sides: Sides, centre: Tensor
) -> tuple[Completion | None, str]:
    """Choose how to fill the missing side, and say why.

    Parameters
    ----------
    sides
        Of the axes that are partial and can be completed.
    centre
        K-space without gaps around its centre, of the middle slice. Shape `(coil z y x)`.
    """
    if wanted == "zero-fill":
        return None, f"{ZEROS}, as the recipe says"
    if wanted != "auto":
        return wanted, f"completed by {wanted}, as the recipe says"
    share = explained(centre, {axis: _within(side, centre.shape[axis]) for axis, side in sides.items()})
    if share < EXPLAINED:
        return None, f"{ZEROS}: the phase is not smooth, {max(share, 0):.0%} of lines held out were predicted"
    return "pocs", f"completed by pocs: {share:.0%} of lines held out were predicted"


def _within(side: Side, n: int) -> Side:
    """Cut a side to a block of ``n`` points about the same centre."""
    before, after = side.n // 2 - side.first, side.last - side.n // 2
    return Side(max(n // 2 - before, 0), min(n // 2 + after, n - 1), n)
