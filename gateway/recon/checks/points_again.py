"""One frame of a non-Cartesian scan, reconstructed again with fewer readouts or other samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from torch import Tensor

from gateway.model.image import Pixels
from gateway.model.readout import Readouts
from gateway.recon.checks.rerun import Bools, Engine, drawn, magnitude
from gateway.recon.scan import Scan
from gateway.recon.trajectory import Gatherer, kept_samples

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class PointsAgain:
    """One frame of a scan as a scan of its own; lines are its readouts, in the order of its view.

    Parameters
    ----------
    reconstruct
        The method that is checked, which makes one frame of all readouts.
    frame
        Number of the frame.
    """

    scan: Scan
    gatherer: Gatherer
    reconstruct: Engine
    frame: int

    def check(self) -> None:
        """Every sample has its own place, so that all can be changed."""

    def spare(self, random: np.random.Generator) -> Bools:
        """Draw readouts. Shape `(line,)`."""
        n = sum(len(group) for group in self.gatherer.groups(self.frame))
        return drawn(np.ones(n, np.bool_), random)

    def without(self, dropped: Bools) -> Pixels:
        """Reconstruct without some readouts. Shape `(z y x)`."""
        return self._made(lambda readouts, line: readouts.select(~dropped[line]))

    def with_added(self, samples: Tensor) -> Pixels:
        """Reconstruct with something added. Shapes `(coil line sample)` to `(z y x)`."""
        more = samples.movedim(0, 1).cpu().numpy()

        def add(readouts: Readouts, line: Ints) -> Readouts:
            changed = readouts.samples.copy()
            changed[..., kept_samples(readouts.heads[0])] += more[line].conj() if readouts.conjugated else more[line]
            return replace(readouts, samples=changed)

        return self._made(add)

    def _made(self, change: Callable[[Readouts, Ints], Readouts]) -> Pixels:
        """Change the readouts of the frame; ``change`` gets the line of each."""
        header = self.scan.header
        encoding = header.encodings[0]
        limits = {name: limit for name, limit in encoding.limits.items() if name != "slice"}
        alone = replace(header, encodings=(replace(encoding, limits=limits), *header.encodings[1:]))
        runs = [change(run, line) for run, line in self._readouts()]
        return magnitude(self.reconstruct(replace(self.scan, acquisition=[*_counted(runs)], header=alone, memory=None)))

    def _readouts(self) -> Iterator[tuple[Readouts, Ints]]:
        """Select the readouts of the frame, and say which line of its view each is."""
        first = 0
        for group in self.gatherer.groups(self.frame):
            run = self.gatherer.acquisition[self.gatherer.run[group[0]]]
            yield run.select(self.gatherer.row[group]), np.arange(first, first + len(group))
            first += len(group)


def _counted(runs: list[Readouts]) -> Iterator[Readouts]:
    """Count readouts anew, so that none is missing."""
    first = 0
    for run in runs:
        heads = run.heads.copy()
        heads["idx"]["kspace_encode_step_1"] = np.arange(first, first + len(run))
        first += len(run)
        if len(run):
            yield replace(run, heads=heads)
