"""A scan that still arrives: which of its slices seem whole, and each of these as a scan of its own.

It only decides when a try is worth its time. Whether a slice is whole its method says, and whether what was made of it
is what the whole scan gives is told by its key (`gateway.recon.shelf`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gateway.model.header import Encoding, ScanHeader
from gateway.model.readout import NOT_IMAGING, Acquisition, Flag, Readouts, mask
from gateway.model.recipes import (
    AutoRecipe,
    CgSenseRecipe,
    Compressing,
    GrappaRecipe,
    L1WaveletRecipe,
    LowRankSparseRecipe,
    RouteRecipe,
    SenseRecipe,
    SpiritRecipe,
    SubspaceRecipe,
    TvRecipe,
)
from gateway.recon.pictures import OF_NOISE
from gateway.recon.space import imaging_encoding, is_cartesian

NOISE = mask(Flag.IS_NOISE_MEASUREMENT)
FRAME_LIMITS = ("set", "repetition", "phase", "contrast")
SLICE_BY_SLICE = (
    AutoRecipe,
    GrappaRecipe,
    SenseRecipe,
    CgSenseRecipe,
    SpiritRecipe,
    L1WaveletRecipe,
    TvRecipe,
    SubspaceRecipe,
    LowRankSparseRecipe,
)
"""Recipes that make a slice from what was measured of it."""


def obstacle(recipe: RouteRecipe, header: ScanHeader, *, noise_known: bool) -> str:
    """Say why images of a scan cannot be made before it is whole; nothing where they can.

    Parameters
    ----------
    noise_known
        Whether its noise was measured: by the scan itself, or before.
    """
    encoding = imaging_encoding(header)
    limit = encoding.limits.get("slice")
    hindrances = {
        f"recipe {recipe.method} works on the whole scan, or is done before one has looked": not isinstance(
            recipe, SLICE_BY_SLICE
        ),
        f"the trajectory is {encoding.trajectory}, and its recipes work on the whole scan": not is_cartesian(encoding),
        "virtual coils are learned from all slices": isinstance(recipe, Compressing)
        and recipe.virtual_coils is not None,
        "noise is asked for, which is that of the whole scan": not OF_NOISE.isdisjoint(recipe.output),
        "the header does not announce more than one slice": limit is None or limit.maximum <= limit.minimum,
        "its noise was not measured, and is read from the middle of the whole scan": not noise_known
        and _n_frames(encoding) > 1,
    }
    return next((why for why, holds in hindrances.items() if holds), "")


def measures_noise(acquisition: Acquisition) -> bool:
    """Say whether a scan has noise readouts of its own."""
    return any(bool(run.flagged(NOISE).any()) for run in acquisition)


@dataclass(kw_only=True)
class Incoming:
    """Readouts in the order of their arrival, counted by slice."""

    header: ScanHeader
    """Of a scan without `obstacle`."""
    noise_known: bool
    """Else it is read from the middle slice, so that all others wait for that."""
    _runs: list[Readouts] = field(default_factory=list)
    _lines: dict[int, set[tuple[int, ...]]] = field(default_factory=dict)
    _counts: Counter[int] = field(default_factory=Counter)
    _last_at: dict[int, int] = field(default_factory=dict)
    _n: int = 0
    _tried: dict[int, int] = field(default_factory=dict)

    def take(self, runs: Iterable[Readouts]) -> None:
        """Take the next readouts."""
        for run in runs:
            self._runs.append(run)
            self.noise_known |= measures_noise((run,))
            heads = run.heads[~run.flagged(NOT_IMAGING)]
            slices = heads["idx"]["slice"]
            for number in np.unique(slices).tolist():
                some = heads[slices == number]
                self._lines.setdefault(number, set()).update(_places(some))
                self._counts[number] += len(some)
                self._last_at[number] = self._n + len(run)
            self._n += len(run)

    @property
    def begun(self) -> bool:
        """Whether anything of an image has come."""
        return bool(self._counts)

    def worth_trying(self) -> int | None:
        """Name a slice that may be whole, and of which more has come since it was tried."""
        if not self.noise_known and not self._seems_whole(self._middle):
            return None
        changed = (number for number, count in self._counts.items() if self._tried.get(number) != count)
        return next((number for number in changed if self._seems_whole(number)), None)

    def tried(self, number: int) -> None:
        """Note that a slice was tried, as far as it has come."""
        self._tried[number] = self._counts[number]

    def scan_of(self, number: int) -> tuple[Acquisition, ScanHeader]:
        """Give one slice, with the noise that came before it, as a scan that has no other slice.

        Where the noise is read from the middle slice, that stays, and stays in the middle.
        """
        numbers = {number} if self.noise_known else {number, self._middle}
        if max(numbers) > self._middle and not self.noise_known:
            numbers.add(min(self._counts))
        wanted = np.array(sorted(numbers))
        runs = [_some(run, np.isin(run.heads["idx"]["slice"], wanted) | run.flagged(NOISE)) for run in self._runs]
        encodings = tuple(replace(one, limits=_without_slices(one)) for one in self.header.encodings)
        return tuple(run for run in runs if len(run)), replace(self.header, encodings=encodings)

    @property
    def _middle(self) -> int:
        limit = self.header.encodings[0].limits["slice"]
        return (limit.minimum + limit.maximum + 1) // 2

    def _seems_whole(self, number: int) -> bool:
        return number in self._counts and (self._full(number) or self._quiet(number))

    def _full(self, number: int) -> bool:
        """Say whether as many lines came as every frame of a slice should have, in steps of the acceleration."""
        encoding = self.header.encodings[0]
        wanted = _n_frames(encoding) * math.prod(
            max(1, n // max(1, round(step)))
            for n, step in ((_n_wanted(encoding, axis), getattr(encoding.acceleration, axis)) for axis in "zy")
        )
        step = max(1, round(encoding.acceleration.y))
        on_lattice = Counter(place[-1] % step for place in self._lines[number])
        return max(on_lattice.values()) >= int(wanted)

    def _quiet(self, number: int) -> bool:
        """Say whether as much has come since its last line as came of it: the scanner measures other slices now."""
        return self._n - self._last_at[number] >= self._counts[number]


def _places(heads: npt.NDArray[Any]) -> set[tuple[int, ...]]:
    """Tell lines of a slice apart: frame, partition, line."""
    idx = heads["idx"]
    columns = [idx[name] for name in (*FRAME_LIMITS, "kspace_encode_step_2", "kspace_encode_step_1")]
    return set(zip(*(column.tolist() for column in columns), strict=True))


def _some(run: Readouts, keep: npt.NDArray[np.bool_]) -> Readouts:
    """Select readouts; where they lie side by side, in place."""
    rows = np.flatnonzero(keep)
    if not len(rows) or rows[-1] - rows[0] + 1 > len(rows):
        return run.select(keep)
    at = slice(int(rows[0]), int(rows[-1]) + 1)
    return replace(run, heads=run.heads[at], samples=run.samples[at], trajectory=run.trajectory[at])


def _n_frames(encoding: Encoding) -> int:
    found = (encoding.limits.get(name) for name in FRAME_LIMITS)
    return math.prod(max(1, limit.maximum - limit.minimum + 1) for limit in found if limit)


def _n_wanted(encoding: Encoding, axis: str) -> int:
    limit = encoding.limits.get({"y": "kspace_encoding_step_1", "z": "kspace_encoding_step_2"}[axis])
    n: int = getattr(encoding.encoded.matrix, axis)
    return min(n, limit.maximum - limit.minimum + 1) if limit else n


def _without_slices(encoding: Encoding) -> dict[str, Any]:
    return {name: limit for name, limit in encoding.limits.items() if name != "slice"}
