"""A Cartesian scan as the checks go through it: frame by frame, and one frame of it made again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from gateway.model.image import Pixels
from gateway.recon.checks.declared import Missing, lines_missing
from gateway.recon.checks.lines_again import LinesAgain
from gateway.recon.checks.rerun import Engine, Rerun
from gateway.recon.checks.slab_piece import busiest, piece_of
from gateway.recon.checks.view import RECIPE, View, view_of, views
from gateway.recon.parallel import Undersampled, understand
from gateway.recon.scan import Scan
from gateway.recon.workplace import Workplace

AFFORDABLE = 0.25
"""Part of the images that may be reconstructed again for a check."""
RUNS = 3
"""Of a piece of a slab: as it is, without some lines, and with details."""
FEWEST_PLANES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A frame, or a piece of it, that is made again with something changed.

    Parameters
    ----------
    pixels
        What the method makes of it unchanged. Shape `(z y x)`.
    x
        Which positions x of the images it is.
    note
        What it is of, where it is not all of a frame.
    """

    view: View
    rerun: Rerun
    pixels: Pixels
    x: slice = field(default_factory=lambda: slice(None))
    note: str = ""


class Subject(Protocol):
    """What the checks ask of a scan."""

    @property
    def n_frames(self) -> int:
        """Count the frames."""

    @property
    def n_slices(self) -> int:
        """Count the images of a frame."""

    def views(self, place: Workplace) -> Iterator[View]:
        """Look at every frame."""

    def missing(self, number: int) -> Missing | None:
        """Hold the lines of a frame against the header; None where that does not say."""

    def affordable(self) -> int:
        """Say how many checks may make a frame again, or a piece of it."""

    def trial(self, number: int, view: View, pixels: Pixels, engine: Engine, place: Workplace) -> Trial:
        """Prepare a frame, or a piece of it, to be made again.

        Raises
        ------
        BadScan
            It cannot be.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class OfLines:
    """A Cartesian scan: of slices, or of slabs, whose frames are made again in pieces."""

    scan: Scan
    found: Undersampled

    @property
    def n_frames(self) -> int:
        """Count the frames."""
        return self.found.sorter.lines.n_frames

    @property
    def n_slices(self) -> int:
        """Count the images of a frame."""
        return self.found.target.matrix.z

    def views(self, place: Workplace) -> Iterator[View]:
        """Look at every frame."""
        return views(self.found, place)

    def missing(self, number: int) -> Missing | None:
        """Count the lines of a frame."""
        return lines_missing(self.scan.header, self.found, number)

    def affordable(self) -> int:
        """Count by frames; of slabs a piece is enough, if it is not too small to tell anything."""
        if self._is_slab:
            return 2 if self._n_planes >= FEWEST_PLANES else 0
        return int(AFFORDABLE * self.n_frames)

    def trial(self, number: int, view: View, pixels: Pixels, engine: Engine, place: Workplace) -> Trial:
        """Prepare a slice, or planes of a slab."""
        whole = LinesAgain(scan=self.scan, found=self.found, reconstruct=engine, frame=number)
        n_x = self.found.target.matrix.x
        n_planes = max(self._n_planes, FEWEST_PLANES)
        if not self._is_slab or n_planes >= n_x:
            return Trial(view=view, rerun=whole, pixels=pixels)
        whole.check()
        some = busiest(view.there, n_planes)
        piece = piece_of(self.scan, self.found, some, view.noise_power * view.scale**2)
        found = understand(piece, RECIPE, regular=False)
        again = LinesAgain(scan=piece, found=found, reconstruct=engine, frame=number)
        return Trial(
            view=view_of(found, number, place, {}),
            rerun=again,
            pixels=again.unchanged(),
            x=some,
            note=f"of planes {some.start + 1} to {some.stop} of {n_x} along the readout",
        )

    @property
    def _is_slab(self) -> bool:
        return self.found.sorter.lines.partitions.n > 1

    @property
    def _n_planes(self) -> int:
        """Say how many planes of one frame may be made again, as often as it takes."""
        return int(AFFORDABLE * self.n_frames * self.found.target.matrix.x / RUNS)
