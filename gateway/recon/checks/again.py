"""The same method on the same frame, with something changed in k-space: lines left out, or details put in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from torch import Tensor

from gateway.model.errors import BadScan
from gateway.model.image import ImageKind, ImageSeries, Pixels
from gateway.model.readout import Flag, Readouts
from gateway.recon.fourier import fourier, resize
from gateway.recon.lines import is_imaging
from gateway.recon.parallel import Undersampled
from gateway.recon.scan import Scan

CALIBRATION = np.uint64(Flag.IS_PARALLEL_CALIBRATION.bit)

Bools = npt.NDArray[np.bool_]
Engine = Callable[[Scan], tuple[ImageSeries, ...]]
"""A method with its recipe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rerun:
    """One frame of a scan as a scan of its own, to be measured a little differently.

    Parameters
    ----------
    reconstruct
        The method that is checked.
    frame
        Number of the frame.
    """

    scan: Scan
    found: Undersampled
    reconstruct: Engine
    frame: int

    def check(self) -> None:
        """Refuse what cannot be changed line by line.

        Raises
        ------
        BadScan
            Lines were averaged, cut or read backwards.
        """
        lines, alignment = self.found.sorter.lines, self.found.sorter.alignment
        some = lines.of_frames(self.frame, self.frame + 1)
        whole = alignment.n_covered[some] == lines.encoding.encoded.matrix.x
        once = len(np.unique(lines.y[some])) == some.stop - some.start
        if not (whole.all() and once) or alignment.reverse[some].any():
            raise BadScan("lines were averaged, cut or read backwards, so that details cannot be put into them")

    def without(self, dropped: Bools) -> Pixels:
        """Reconstruct without some lines of the matrix. Shape `(y x)`."""
        return self._made(lambda readouts, y: readouts.select(~dropped[y] | (y < 0)))

    def with_added(self, hybrid: Tensor) -> Pixels:
        """Reconstruct with something added, in hybrid space `(coil y x)` and the units of the scan. Shape `(y x)`."""
        target, n_x = self.found.target, self.found.sorter.lines.encoding.encoded.matrix.x
        grid = fourier(resize(hybrid, -1, target.grid.x), (-1,))
        samples = resize(grid, -1, n_x).movedim(0, 1).cpu().numpy().astype(np.complex64)

        def add(readouts: Readouts, y: npt.NDArray[np.int64]) -> Readouts:
            changed = readouts.samples.copy()
            ours = np.flatnonzero(y >= 0)
            start = self._first_sample()
            more = samples[y[ours]]
            changed[ours, :, start : start + n_x] += more.conj() if readouts.conjugated else more
            return replace(readouts, samples=changed)

        return self._made(add)

    def _first_sample(self) -> int:
        lines = self.found.sorter.lines
        return int(self.found.sorter.alignment.discard_pre[lines.of_frames(self.frame, self.frame + 1).start])

    def _embedded(self, run: Readouts) -> npt.NDArray[np.intp]:
        """Find the calibration readouts that belong to the image of the frame as well. Shape `(readout,)`."""
        if self.found.embedded_in(self.frame) is None:
            return np.zeros(0, np.intp)
        of_slice = run.heads["idx"]["slice"] == self.found.slice_of(self.frame)
        return np.flatnonzero(of_slice & run.flagged(CALIBRATION) & ~is_imaging(run))

    def _made(self, change: Callable[[Readouts, npt.NDArray[np.int64]], Readouts]) -> Pixels:
        """Change the readouts of the frame; ``change`` gets the line of each, -1 for those that the image has not."""
        lines = self.found.sorter.lines
        some = lines.of_frames(self.frame, self.frame + 1)
        runs = []
        for number, run in enumerate(self.scan.acquisition):
            mine = lines.run[some] == number
            y = np.full(len(run), -1, np.int64)
            y[lines.row[some][mine]] = lines.y[some][mine]
            kept = (y >= 0) | ~is_imaging(run)
            calibration = self._embedded(run)
            y[calibration] = run.heads["idx"]["kspace_encode_step_1"][calibration] + lines.phase_encodes.shift
            runs.append(change(run.select(kept), y[kept]))
        header = self.scan.header
        encoding = header.encodings[0]
        limits = {name: limit for name, limit in encoding.limits.items() if name != "slice"}
        alone = replace(header, encodings=(replace(encoding, limits=limits), *header.encodings[1:]))
        scan = replace(self.scan, acquisition=[run for run in runs if len(run)], header=alone)
        made: Mapping[ImageKind, ImageSeries] = {one.kind: one for one in self.reconstruct(scan)}
        pixels: Pixels = made[ImageKind.MAGNITUDE].pixels[0]
        return pixels


def some_lines(filled: Bools, random: np.random.Generator, *, share: float) -> Bools:
    """Draw measured lines beyond the block around the centre that has no gaps. Shape `(y,)`.

    Raises
    ------
    BadScan
        There are too few to spare any.
    """
    outside = filled.copy()
    centre = len(filled) // 2
    for steps in (range(centre, len(filled)), range(centre - 1, -1, -1)):
        for y in steps:
            if not filled[y]:
                break
            outside[y] = False
    there = np.flatnonzero(outside)
    n = max(2, round(share * len(there)))
    if len(there) < 3 * n:
        raise BadScan("too few lines were measured beyond the calibration to spare any")
    drawn = np.zeros_like(filled)
    drawn[random.choice(there, n, replace=False)] = True
    return drawn


def measured(view_filled: Tensor) -> Bools:
    """Give a mask of lines as numpy."""
    return np.asarray(view_filled.cpu().numpy(), np.bool_)


def nothing_said(_fraction: float, _doing: str) -> None:
    """Take progress that nobody follows."""


def nothing_told(_sentence: str) -> None:
    """Take what nobody wants to hear."""
