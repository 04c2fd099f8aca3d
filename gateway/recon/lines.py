"""Where every line of k-space belongs, read from the heads of the readouts alone: frame, partition, line.

A line is one imaging readout. Nothing here touches samples, so a scan that cannot be imaged is refused at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gateway.model.errors import BadScan, IncompleteScan
from gateway.model.header import Encoding, Limit, ScanHeader
from gateway.model.readout import NOT_IMAGING, Acquisition, Flag, Readouts
from gateway.recon.counters import Counter, place_counter
from gateway.recon.space import check_room, imaging_encoding, is_cartesian

Ints = npt.NDArray[np.int64]

IMAGING_SPACE = 0
"""The ``encoding_space_ref`` of the image."""

FRAME_INDICES = ("set", "repetition", "phase", "contrast", "slice")
"""Counters that tell frames apart, slowest first; averages are averaged, segments only say when a line was measured."""

_LARGEST_INDEX = np.iinfo(np.uint16).max
_COMPLEX64 = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """All lines of a scan, sorted by frame; within a frame as they were acquired.

    Parameters
    ----------
    heads
        Structured, `ACQUISITION_HEADER`. Shape `(line,)`.
    run, row
        Which run of the acquisition, and which readout in it. Shape `(line,)`.
    frame
        Number of the frame. Shape `(line,)`.
    z, y
        Indices in the matrix. Shape `(line,)`.
    indices
        The frames' counters in the order of `FRAME_INDICES`. Shape `(frame, 5)`.
    """

    heads: npt.NDArray[Any]
    run: Ints
    row: Ints
    frame: Ints
    z: Ints
    y: Ints
    indices: Ints
    partitions: Counter
    phase_encodes: Counter
    encoding: Encoding

    @property
    def n_frames(self) -> int:
        """Count the frames."""
        return len(self.indices)

    @property
    def n_coils(self) -> int:
        """Count the receiver channels."""
        return int(self.heads["active_channels"][0])

    @property
    def frame_bytes(self) -> int:
        """Say how much memory k-space of one frame takes."""
        return self.n_coils * math.prod(self.encoding.encoded.matrix.as_tuple()) * _COMPLEX64

    def of_frames(self, start: int, stop: int) -> slice:
        """Find the lines of some frames."""
        first, last = np.searchsorted(self.frame, (start, stop))
        return slice(int(first), int(last))

    def first_heads(self) -> npt.NDArray[Any]:
        """Take the head of each frame's first line. Shape `(frame,)`."""
        return np.asarray(self.heads[np.searchsorted(self.frame, np.arange(self.n_frames))])

    def measured(self, start: int = 0, stop: int | None = None) -> npt.NDArray[np.bool_]:
        """Say which lines of some frames there are. Shape `(frame z y)`."""
        stop = self.n_frames if stop is None else stop
        there = np.zeros((stop - start, self.partitions.n, self.phase_encodes.n), dtype=np.bool_)
        some = self.of_frames(start, stop)
        there[self.frame[some] - start, self.z[some], self.y[some]] = True
        return there

    def name_frame(self, frame: int) -> str:
        """Name a frame by its slice, and by every other counter that varies in this scan."""
        *others, slice_ = self.indices[frame].tolist()
        return ", ".join([f"slice {slice_}", *_named(others, self.indices)])


def find_lines(acquisition: Acquisition, header: ScanHeader) -> Lines:
    """Find the imaging readouts of a scan, and where each belongs.

    Raises
    ------
    BadScan
        There are none, they are empty, their channels change, they lie outside the matrix or miss its centre, or the
        scan is larger than any memory.
    IncompleteScan
        A slice is missing.
    """
    encoding = imaging_encoding(header)
    picked = [np.flatnonzero(is_imaging(readouts)) for readouts in acquisition]
    heads = imaging_heads(acquisition, picked)
    columns = np.stack([heads["idx"][name].astype(np.int64) for name in FRAME_INDICES], axis=1)
    indices, frame = np.unique(columns, axis=0, return_inverse=True)
    check_slices(indices, encoding.limits.get("slice"))
    check_room(encoding, n_frames=len(indices), n_coils=int(heads["active_channels"][0]))
    phase_encodes = place_counter("line", heads, header)
    partitions = place_counter("partition", heads, header)
    order = np.argsort(frame, kind="stable")
    idx = heads["idx"][order]
    return Lines(
        heads=heads[order],
        run=np.repeat(np.arange(len(picked)), [len(rows) for rows in picked])[order],
        row=np.concatenate(picked)[order],
        frame=frame[order].astype(np.int64),
        z=idx["kspace_encode_step_2"].astype(np.int64) + partitions.shift,
        y=idx["kspace_encode_step_1"].astype(np.int64) + phase_encodes.shift,
        indices=indices,
        partitions=partitions,
        phase_encodes=phase_encodes,
        encoding=encoding,
    )


def is_imaging(readouts: Readouts) -> npt.NDArray[np.bool_]:
    """Say which readouts are of the image: not noise, calibration or the like. Shape `(readout,)`."""
    of_the_image = readouts.heads["encoding_space_ref"] == IMAGING_SPACE
    return np.asarray(of_the_image & ~readouts.flagged(NOT_IMAGING))


def imaging_heads(acquisition: Acquisition, picked: Sequence[npt.NDArray[np.intp]]) -> npt.NDArray[Any]:
    """Join the heads of the lines, once there are any and all have samples of the same channels.

    Parameters
    ----------
    picked
        Which readouts of each run are of the image.

    Raises
    ------
    BadScan
        There are none, they are empty, or their channels change.
    """
    runs = [(readouts, rows) for readouts, rows in zip(acquisition, picked, strict=True) if len(rows)]
    if not runs:
        raise BadScan(_no_imaging(acquisition))
    expected = runs[0][0].samples.shape[1]
    for readouts, rows in runs:
        _, n_coils, n_samples = readouts.samples.shape
        if n_coils * n_samples == 0:
            raise BadScan(f"imaging readouts are empty: {n_coils} channels of {n_samples} samples")
        if n_coils != expected:
            counter = readouts.heads["scan_counter"][rows[0]]
            raise BadScan(f"the number of channels changes from {expected} to {n_coils} at scan counter {counter}")
    return np.concatenate([readouts.heads[rows] for readouts, rows in runs])


def _no_imaging(acquisition: Acquisition) -> str:
    """Say what the readouts are instead."""
    flags = [flag for flag in Flag if NOT_IMAGING & np.uint64(flag.bit)]
    counts = {flag: sum(int(run.flagged(np.uint64(flag.bit)).sum()) for run in acquisition) for flag in flags}
    carry = [f"{count} carry {flag.name}" for flag, count in counts.items() if count]
    return "; ".join([f"none of {sum(map(len, acquisition))} readouts is an imaging readout", *carry])


def check_slices(indices: Ints, limit: Limit | None) -> None:
    """Refuse a stack with a hole, which looks like a whole one: every slice in every repetition, echo, phase and set.

    Parameters
    ----------
    indices
        The frames' counters in the order of `FRAME_INDICES`. Shape `(frame, 5)`.

    Raises
    ------
    BadScan
        Slices are missing that the header announces or another repetition, echo, phase or set has.
    """
    wanted = set(indices[:, -1].tolist())
    if limit:
        wanted |= set(range(max(limit.minimum, 0), min(limit.maximum, _LARGEST_INDEX) + 1))
    others, number, counts = np.unique(indices[:, :-1], axis=0, return_inverse=True, return_counts=True)
    lacking = np.flatnonzero(counts < len(wanted))
    if not len(lacking):
        return
    missing = sorted(wanted - set(indices[number == lacking[0], -1].tolist()))
    where = ", ".join(["", *_named(others[lacking[0]].tolist(), indices)])
    raise IncompleteScan(f"slices lack: {listed(missing)}, {len(missing)} of {len(wanted)}{where}")


def _named(values: Iterable[int], indices: Ints) -> list[str]:
    """Name a frame's counters, slice aside, that vary in this scan."""
    varies = (indices != indices[0]).any(axis=0).tolist()
    return [f"{name} {value}" for name, value, does in zip(FRAME_INDICES, values, varies, strict=False) if does]


def listed(numbers: Sequence[int]) -> str:
    """List the first three numbers."""
    return ", ".join([*map(str, numbers[:3]), *(["..."] if len(numbers) > 3 else [])])  # noqa: PLR2004 - so that it ends


def need_cartesian(header: ScanHeader, recipe: str) -> None:
    """Refuse k-space that is not measured along parallel lines.

    Raises
    ------
    BadScan
        The trajectory is another one.
    """
    encoding = imaging_encoding(header)
    if not is_cartesian(encoding):
        raise BadScan(f"recipe {recipe} needs a Cartesian scan, this one is {encoding.trajectory}")
