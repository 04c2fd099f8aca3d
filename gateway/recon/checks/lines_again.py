"""One frame of a Cartesian scan, reconstructed again with other lines or other samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from torch import Tensor

from gateway.model.errors import BadScan
from gateway.model.image import Pixels
from gateway.model.readout import Flag, Readouts
from gateway.recon.checks.rerun import Bools, Engine, drawn, magnitude
from gateway.recon.fourier import fourier, resize
from gateway.recon.lines import is_imaging
from gateway.recon.parallel import Undersampled
from gateway.recon.scan import Scan

CALIBRATION = np.uint64(Flag.IS_PARALLEL_CALIBRATION.bit)

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class LinesAgain:
    """One frame of a scan as a scan of its own; lines are those of its view, in their order.

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
        once = len(np.unique(np.stack([lines.z[some], lines.y[some]]), axis=1).T) == some.stop - some.start
        if not (whole.all() and once) or alignment.reverse[some].any():
            raise BadScan("lines were averaged, cut or read backwards, so that details cannot be put into them")

    def spare(self, random: np.random.Generator) -> Bools:
        """Draw lines beyond the calibration. Shape `(line,)`."""
        filled = self.found.filled_lines(self.frame)
        calibrated = self.found.calibration.blocks[self.found.slice_of(self.frame)].shape[-3:-1]
        return drawn(beyond_calibration(filled, calibrated)[filled], random)

    def unchanged(self) -> Pixels:
        """Reconstruct the frame as it is. Shape `(z y x)`."""
        return self._made(lambda readouts, _line: readouts)

    def without(self, dropped: Bools) -> Pixels:
        """Reconstruct without some lines. Shape `(z y x)`."""
        return self._made(lambda readouts, line: readouts.select(~dropped[line] | (line < 0)))

    def with_added(self, samples: Tensor) -> Pixels:
        """Reconstruct with something added, in hybrid space and the units of the scan. Shape `(z y x)`."""
        target, n_x = self.found.target, self.found.sorter.lines.encoding.encoded.matrix.x
        grid = fourier(resize(samples, -1, target.grid.x), (-1,))
        more = resize(grid, -1, n_x).movedim(0, 1).cpu().numpy().astype(np.complex64)

        def add(readouts: Readouts, line: Ints) -> Readouts:
            changed = readouts.samples.copy()
            ours = np.flatnonzero(line >= 0)
            start = self._first_sample()
            each = more[line[ours]]
            changed[ours, :, start : start + n_x] += each.conj() if readouts.conjugated else each
            return replace(readouts, samples=changed)

        return self._made(add)

    def _first_sample(self) -> int:
        lines = self.found.sorter.lines
        return int(self.found.sorter.alignment.discard_pre[lines.of_frames(self.frame, self.frame + 1).start])

    def _of_others(self, run: Readouts) -> Bools:
        """Find the calibration readouts of other slices, which teach this one nothing. Shape `(readout,)`."""
        return np.asarray(run.flagged(CALIBRATION) & (run.heads["idx"]["slice"] != self.found.slice_of(self.frame)))

    def _embedded(self, run: Readouts) -> npt.NDArray[np.intp]:
        """Find the calibration readouts that belong to the image of the frame as well. Shape `(readout,)`."""
        if self.found.embedded_in(self.frame) is None:
            return np.zeros(0, np.intp)
        of_slice = run.heads["idx"]["slice"] == self.found.slice_of(self.frame)
        return np.flatnonzero(of_slice & run.flagged(CALIBRATION) & ~is_imaging(run))

    def _made(self, change: Callable[[Readouts, Ints], Readouts]) -> Pixels:
        """Change the readouts of the frame; ``change`` gets the line of each, -1 for those that the image has not."""
        header = self.scan.header
        encoding = header.encodings[0]
        limits = {name: limit for name, limit in encoding.limits.items() if name != "slice"}
        alone = replace(header, encodings=(replace(encoding, limits=limits), *header.encodings[1:]))
        runs = [change(run, line) for run, line in self._readouts()]
        scan = replace(self.scan, acquisition=[run for run in runs if len(run)], header=alone)
        return magnitude(self.reconstruct(scan))

    def _readouts(self) -> list[tuple[Readouts, Ints]]:
        """Select the readouts of the frame, and say which line of its view each is."""
        lines = self.found.sorter.lines
        some = lines.of_frames(self.frame, self.frame + 1)
        filled = self.found.filled_lines(self.frame)
        number = np.where(filled, np.cumsum(filled).reshape(filled.shape) - 1, -1)
        runs = []
        for count, run in enumerate(self.scan.acquisition):
            mine = lines.run[some] == count
            line = np.full(len(run), -1, np.int64)
            line[lines.row[some][mine]] = number[lines.z[some][mine], lines.y[some][mine]]
            kept = (line >= 0) | ~(is_imaging(run) | self._of_others(run))
            extra = self._embedded(run)
            z, y = (run.heads["idx"][f"kspace_encode_step_{axis}"][extra].astype(np.int64) for axis in (2, 1))
            line[extra] = number[z + lines.partitions.shift, y + lines.phase_encodes.shift]
            runs.append((run.select(kept), line[kept]))
        return runs


def beyond_calibration(filled: Bools, calibrated: tuple[int, ...]) -> Bools:
    """Find measured lines beyond those without gaps around the centre. Shape `(z y)`.

    Parameters
    ----------
    calibrated
        Of a slab: how many partitions and lines the calibration has.
    """
    outside = filled.copy()
    if len(filled) == 1:
        centre = filled.shape[1] // 2
        for steps in (range(centre, filled.shape[1]), range(centre - 1, -1, -1)):
            for y in steps:
                if not filled[0, y]:
                    break
                outside[0, y] = False
        return outside
    first_z, first_y = (n // 2 - some // 2 for n, some in zip(filled.shape, calibrated, strict=True))
    block = slice(first_z, first_z + calibrated[0]), slice(first_y, first_y + calibrated[1])
    if filled[block].all():
        outside[block] = False
    return outside
