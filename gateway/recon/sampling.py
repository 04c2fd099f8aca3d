"""Where each readout belongs in k-space: frame, partition, line and the place of its echo, as index arrays.

MRD leaves this to counters, limits, centres and flags, and exporters fill them differently; this is where their ways meet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from gateway.model.errors import BadScan
from gateway.model.header import Encoding, Limit
from gateway.model.readout import Flag, mask

Heads: TypeAlias = npt.NDArray[Any]
"""`gateway.model.readout.ACQUISITION_HEADER`. Shape `(readout,)`."""
Indices: TypeAlias = npt.NDArray[np.int64]

FRAME_COUNTERS = ("repetition", "set", "phase", "contrast", "slice")
"""What tells one frame from another, slowest first; averages and segments fill the same frame."""

LINE, PARTITION = "kspace_encoding_step_1", "kspace_encoding_step_2"
"""Names of the limits; the counters of a readout say ``encode`` where the limits say ``encoding``."""
_COUNTER = {LINE: "kspace_encode_step_1", PARTITION: "kspace_encode_step_2"}
_USER_CENTER = {LINE: 5, PARTITION: 6}
"""Where a Siemens exporter puts the centre of k-space of each readout (siemens_to_ismrmrd)."""

NAMED = 12
"""How many missing lines a message names."""


@dataclass(frozen=True, slots=True)
class Frames:
    """The frames of a scan.

    Parameters
    ----------
    of
        Which frame each readout belongs to. Shape `(readout,)`.
    heads
        The first readout of each frame, in order of the counters. Shape `(frame,)`.
    """

    of: Indices
    heads: Heads

    def name(self, frame: int) -> str:
        """Say which frame is meant, by the counters that are not zero anywhere."""
        idx = self.heads["idx"]
        counters = [counter for counter in reversed(FRAME_COUNTERS) if idx[counter].any()]
        return ", ".join(f"{counter} {idx[counter][frame]}" for counter in counters) or "the image"


def find_frames(heads: Heads) -> Frames:
    """Tell frames apart."""
    keys = np.stack([heads["idx"][counter] for counter in FRAME_COUNTERS], axis=1)
    _, first, of = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    return Frames(of.reshape(-1).astype(np.int64), heads[first])


def place_along(heads: Heads, encoding: Encoding, axis: str, *, matrix: int, vendor: str | None) -> Indices:
    """Place readouts along lines or partitions: the centre of k-space comes to ``matrix // 2``. Shape `(readout,)`.

    Raises
    ------
    BadScan
        One lies outside the matrix.
    """
    counted = heads["idx"][_COUNTER[axis]].astype(np.int64)
    limit = encoding.limits.get(axis)
    center: Indices | int = limit.center if limit is not None else matrix // 2
    if (vendor or "").upper().startswith("SIEMENS"):
        told = heads["idx"]["user"][:, _USER_CENTER[axis]].astype(np.int64)
        center = told if told.all() else center
    if matrix == 1:
        return np.zeros_like(counted)
    placed = counted - center + matrix // 2
    outside = (placed < 0) | (placed >= matrix)
    if outside.any():
        bad = int(counted[outside][0])
        raise BadScan(f"{axis} {bad} lies outside the matrix of {matrix}, with the centre of k-space at {center}")
    return placed


def expected_along(placed: Indices, heads: Heads, encoding: Encoding, axis: str, *, matrix: int) -> Indices:
    """Say which places must be filled: those between the limits, or, without limits, between what was acquired."""
    limit = encoding.limits.get(axis)
    if limit is None or matrix == 1:
        return np.arange(placed.min(), placed.max() + 1)
    shift = int(placed[0]) - int(heads["idx"][_COUNTER[axis]][0])
    first, last = _within(limit, shift, matrix)
    return np.arange(min(first, int(placed.min())), max(last, int(placed.max())) + 1)


def _within(limit: Limit, shift: int, matrix: int) -> tuple[int, int]:
    return max(0, limit.minimum + shift), min(matrix - 1, limit.maximum + shift)


def refuse_missing(filled: npt.NDArray[np.bool_], lines: Indices, partitions: Indices, frames: Frames) -> None:
    """Name what a fully sampled scan lacks.

    Parameters
    ----------
    filled
        Which lines were measured. Shape `(frame partition line)`.

    Raises
    ------
    BadScan
        Lines are missing, named with the frame they are missing from.
    """
    wanted = filled[:, partitions[:, None], lines]
    for frame, of_frame in enumerate(wanted):
        missing = np.argwhere(~of_frame)
        if len(missing):
            rows = [f"{lines[y] - lines[0]}" + (f"/{partitions[z]}" if len(partitions) > 1 else "") for z, y in missing]
            named = ", ".join(rows[:NAMED]) + (", ..." if len(rows) > NAMED else "")
            raise BadScan(f"{frames.name(frame)} lacks {len(missing)} of {of_frame.size} lines ({named})")


def refuse_missing_slices(frames: Frames, encoding: Encoding) -> None:
    """Name slices that the header announces and nobody measured.

    Raises
    ------
    BadScan
        There are some.
    """
    limit = encoding.limits.get("slice")
    if limit is not None:
        measured = set(frames.heads["idx"]["slice"].tolist())
        missing = sorted(set(range(limit.minimum, limit.maximum + 1)) - measured)
        if missing:
            named = ", ".join(map(str, missing[:NAMED])) + (", ..." if len(missing) > NAMED else "")
            raise BadScan(f"{len(missing)} of {limit.maximum - limit.minimum + 1} slices were not measured ({named})")


@dataclass(frozen=True, slots=True)
class Window:
    """Which samples of a readout count, in which order, and which of them is the echo."""

    first: int
    last: int
    reverse: bool
    center: int


def windows_of(heads: Heads) -> tuple[list[Window], Indices]:
    """Tell readouts apart by the samples to use; returns the kinds, and which kind each readout is. Shape `(readout,)`."""
    columns = np.stack(
        [
            heads["number_of_samples"],
            heads["discard_pre"],
            heads["discard_post"],
            heads["center_sample"],
            (heads["flags"] & mask(Flag.IS_REVERSE)) != 0,
        ],
        axis=1,
    ).astype(np.int64)
    kinds, of = np.unique(columns, axis=0, return_inverse=True)
    return [_window(*map(int, kind)) for kind in kinds], of.reshape(-1).astype(np.int64)


def _window(n_samples: int, discard_pre: int, discard_post: int, center_sample: int, reverse: int) -> Window:
    n = n_samples - discard_pre - discard_post
    if n < 1:
        raise BadScan(f"a readout of {n_samples} samples discards {discard_pre} before and {discard_post} after")
    center = center_sample - discard_pre
    if center_sample == 0 or not 0 <= center < n:
        center = n // 2 if not reverse else n - 1 - n // 2  # exporters that do not know leave 0
    return Window(discard_pre, n_samples - discard_post, bool(reverse), n - 1 - center if reverse else center)
