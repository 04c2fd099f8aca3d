"""Non-Cartesian readouts become samples with places in k-space, frame by frame; nothing of where is guessed.

MRD leaves the unit of a trajectory open. Most exporters send cycles per field of view, some 1/m, rad/m or parts of the
matrix: the range of the numbers against matrix and field of view tells, and what fits nothing is refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gateway.model.errors import BadScan, IncompleteScan
from gateway.model.header import Encoding, ScanHeader
from gateway.model.readout import Acquisition
from gateway.recon.counters import place_counter
from gateway.recon.frames import check_places
from gateway.recon.lines import FRAME_INDICES, check_slices, imaging_heads, is_imaging, listed
from gateway.recon.space import check_room, imaging_encoding

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

REACH = (0.6, 1.1)
"""How far a trajectory goes, in parts of half the encoded matrix; units differ by more than the ratio of the two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scattered:
    """Samples of one frame.

    Parameters
    ----------
    samples
        complex64. Shape `(coil sample)`.
    points
        float64, cycles per encoded field of view. Shape `(sample axis)`; axes z, y, x, without z in 2D.
    """

    samples: Tensor
    points: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Gatherer:
    """Gathers a scan, one frame at a time, so that memory does not grow with the scan.

    Parameters
    ----------
    heads
        Of all imaging readouts, sorted by frame, `ACQUISITION_HEADER`. Shape `(readout,)`.
    run, row
        Which run of the acquisition, and which readout in it. Shape `(readout,)`.
    frame
        Number of the frame. Shape `(readout,)`.
    partition
        Place along z of a stack of two-dimensional trajectories, in cycles per field of view. Shape `(readout,)`.
    unit
        Name of the unit that the trajectory was sent in.
    """

    acquisition: Acquisition
    heads: npt.NDArray[Any]
    run: Ints
    row: Ints
    frame: Ints
    partition: Ints
    encoding: Encoding
    unit: str

    @property
    def n_frames(self) -> int:
        """Count the frames."""
        return int(self.frame[-1]) + 1

    @property
    def n_coils(self) -> int:
        """Count the receiver channels."""
        return int(self.heads["active_channels"][0])

    def first_heads(self) -> npt.NDArray[Any]:
        """Take the head of each frame's first readout. Shape `(frame,)`."""
        return np.asarray(self.heads[np.searchsorted(self.frame, np.arange(self.n_frames))])

    def frames(self) -> Iterator[Scattered]:
        """Gather all frames in their order.

        Raises
        ------
        BadScan
            Samples are no numbers, or all of a frame's are zero.
        """
        for number in range(self.n_frames):
            parts = [self._readouts(group) for group in self.groups(number)]
            samples = np.concatenate([samples for samples, _ in parts], axis=-1)
            if not np.isfinite(samples).all():
                raise BadScan(f"{self._name(number)} has samples that are not finite")
            if not samples.any():
                raise BadScan(f"{self._name(number)} has only samples that are zero")
            points = np.ascontiguousarray(np.concatenate([points for _, points in parts]))
            yield Scattered(samples=torch.from_numpy(samples), points=torch.from_numpy(points))

    def groups(self, frame: int) -> list[Ints]:
        """Split the readouts of a frame into groups of one run, of which the same samples count."""
        first, last = np.searchsorted(self.frame, (frame, frame + 1))
        heads = self.heads[first:last]
        keys = np.stack([self.run[first:last], heads["discard_pre"], heads["discard_post"]], axis=1)
        _, group, counts = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
        return np.split(np.argsort(group, kind="stable") + first, np.cumsum(counts)[:-1])

    def points(self, frame: int) -> Tensor:
        """Gather the places of a frame alone. float64; shape `(sample axis)`, as in `Scattered`."""
        return torch.from_numpy(np.concatenate([self._points(group) for group in self.groups(frame)]).copy())

    def _readouts(self, group: Ints) -> tuple[npt.NDArray[np.complex64], Floats]:
        """Cut readouts to what counts, with its places. Shapes `(coil sample)` and `(sample axis)`."""
        run, kept, rows = self.acquisition[self.run[group[0]]], kept_samples(self.heads[group[0]]), self.row[group]
        samples = run.samples[rows][..., kept].transpose(1, 0, 2)
        samples = samples.conj() if run.conjugated else samples
        return samples.reshape(len(samples), -1), self._points(group)

    def _points(self, group: Ints) -> Floats:
        """Give the places of what counts. Shape `(sample axis)`."""
        run, kept, rows = self.acquisition[self.run[group[0]]], kept_samples(self.heads[group[0]]), self.row[group]
        sent = run.trajectory[rows, kept].astype(np.float64)
        points = sent * units_of(self.encoding)[self.unit][: sent.shape[-1]]
        if self.encoding.encoded.matrix.z == 1:
            points = points[..., :2]  # a third column is zero, or the exporter's idea of the density
        elif points.shape[-1] == 2:  # noqa: PLR2004 - a stack of two-dimensional ones
            z = np.broadcast_to(self.partition[group][:, None, None], (*points.shape[:2], 1))
            points = np.concatenate([points, z], axis=-1)
        return np.asarray(points.reshape(-1, points.shape[-1])[:, ::-1])

    def _name(self, frame: int) -> str:
        return f"slice {self.first_heads()['idx']['slice'][frame]}"


def gather(acquisition: Acquisition, header: ScanHeader, *, recipe: str, per_frame: int | None = None) -> Gatherer:
    """Find out where every imaging readout belongs.

    Parameters
    ----------
    per_frame
        Readouts of a frame, in the order of time; None for all of the same counters.

    Raises
    ------
    BadScan
        Readouts have no trajectory, or one that cannot be understood; the scan does not say what or where was measured;
        readouts or slices are missing.
    """
    encoding = imaging_encoding(header)
    picked = [np.flatnonzero(is_imaging(readouts)) for readouts in acquisition]
    heads = imaging_heads(acquisition, picked)
    columns = np.stack([heads["idx"][name].astype(np.int64) for name in FRAME_INDICES], axis=1)
    indices, frame = np.unique(columns, axis=0, return_inverse=True)
    check_slices(indices, encoding.limits.get("slice"))
    check_room(encoding, n_frames=len(indices), n_coils=int(heads["active_channels"][0]))
    _need_trajectory(acquisition, picked, encoding, recipe)
    unit = find_unit(_extent(acquisition, picked), encoding)
    order = np.argsort(frame, kind="stable")
    gatherer = Gatherer(
        acquisition=acquisition,
        heads=heads[order],
        run=np.repeat(np.arange(len(picked)), [len(rows) for rows in picked])[order],
        row=np.concatenate(picked)[order],
        frame=frame[order].astype(np.int64),
        partition=_partitions(acquisition, heads, header)[order],
        encoding=encoding,
        unit=unit,
    )
    check_places(gatherer.first_heads())
    _need_every_readout(gatherer)
    return gatherer if per_frame is None else _in_time(gatherer, per_frame)


def _in_time(gatherer: Gatherer, n_each: int) -> Gatherer:
    """Make a frame of every so many readouts in the order of their acquisition, as its own repetition.

    With a golden angle between them, any that follow each other cover k-space evenly (Winkelmann 2007,
    doi:10.1109/TMI.2006.885337). What is left over at the end makes no frame.

    Raises
    ------
    BadScan
        There are not so many readouts, or too many frames.
    """
    first = np.searchsorted(gatherer.frame, gatherer.frame)
    position = np.arange(len(gatherer.frame)) - first
    counts = np.bincount(gatherer.frame)
    if counts.min() < n_each:
        raise BadScan(f"{counts.min()} readouts are fewer than the {n_each} of a frame")
    n_turns = int(counts.max()) // n_each
    repetition = gatherer.heads["idx"]["repetition"].astype(np.int64) * n_turns + position // n_each
    if repetition.max() > np.iinfo(np.uint16).max:
        raise BadScan(f"{n_each} readouts for each frame make {int(repetition.max()) + 1} frames of a slice")
    kept = np.flatnonzero(position < counts[gatherer.frame] // n_each * n_each)
    heads = gatherer.heads[kept].copy()
    heads["idx"]["repetition"] = repetition[kept]
    columns = np.stack([heads["idx"][name].astype(np.int64) for name in FRAME_INDICES], axis=1)
    indices, frame = np.unique(columns, axis=0, return_inverse=True)
    check_room(gatherer.encoding, n_frames=len(indices), n_coils=gatherer.n_coils)
    order = np.argsort(frame, kind="stable")
    at = kept[order]
    return replace(
        gatherer,
        heads=heads[order],
        run=gatherer.run[at],
        row=gatherer.row[at],
        frame=frame[order].astype(np.int64),
        partition=gatherer.partition[at],
    )


def _need_trajectory(acquisition: Acquisition, picked: list[Ints], encoding: Encoding, recipe: str) -> None:
    """Every imaging readout needs coordinates; in 2D a third column may only be zero, or be no coordinate at all."""
    for run, rows in zip(acquisition, picked, strict=True):
        if not len(rows):
            continue
        n_axes = run.trajectory.shape[-1]
        if n_axes not in (2, 3):
            raise BadScan(
                f"recipe {recipe} needs a trajectory; this {encoding.trajectory} scan has {n_axes} coordinates"
            )
        if not np.isfinite(run.trajectory[rows]).all():
            raise BadScan("the trajectory has coordinates that are not finite")
        if encoding.encoded.matrix.z == 1 and (run.trajectory[rows, :, 2:] < 0).any():
            raise BadScan("the scan is two-dimensional, its trajectory is not: the third coordinate is not zero")


def _partitions(acquisition: Acquisition, heads: npt.NDArray[Any], header: ScanHeader) -> Ints:
    """Place the readouts of a stack along z; other trajectories say so themselves."""
    steps = heads["idx"]["kspace_encode_step_2"].astype(np.int64)
    if header.encodings[0].encoded.matrix.z == 1 or all(run.trajectory.shape[-1] != 2 for run in acquisition):  # noqa: PLR2004
        return np.zeros_like(steps)
    counter = place_counter("partition", heads, header)
    return np.asarray(steps + counter.shift - counter.n // 2)


def _extent(acquisition: Acquisition, picked: list[Ints]) -> Floats:
    """Take the largest coordinate along x, y and, if there is one, z, of the samples that count."""
    largest = np.zeros(3)
    for run, rows in zip(acquisition, picked, strict=True):
        if len(rows):
            of_run = np.abs(run.trajectory[rows]).max(axis=(0, 1))
            largest[: len(of_run)] = np.maximum(largest[: len(of_run)], of_run)
    return largest


def units_of(encoding: Encoding) -> Mapping[str, Floats]:
    """Give what each unit, along x, y and z, is worth in cycles per encoded field of view."""
    encoded, recon = encoding.encoded, encoding.recon
    n = np.array(encoded.matrix.as_tuple()[::-1], np.float64)
    fov_mm, image_mm = (np.array(space.fov_mm.as_tuple()[::-1], np.float64) for space in (encoded, recon))
    return {
        "cycles per field of view": np.ones(3),
        "cycles per field of view of the image": fov_mm / image_mm,
        "parts of the matrix": n,
        "radians per pixel": n / (2 * math.pi),
        "1/m": fov_mm / 1000,
        "rad/m": fov_mm / 1000 / (2 * math.pi),
    }


def find_unit(largest: Floats, encoding: Encoding) -> str:
    """Recognise the unit of a trajectory by how far it goes in the plane.

    Parameters
    ----------
    largest
        Coordinate along x, y and z.

    Raises
    ------
    BadScan
        No unit fits, or two that differ do.
    """
    half = np.array(encoding.encoded.matrix.as_tuple()[::-1])[:2] / 2
    units = units_of(encoding)
    reach = {name: float((largest[:2] * unit[:2] / half).max()) for name, unit in units.items()}
    fitting = [name for name, far in reach.items() if REACH[0] <= far <= REACH[1]]
    alike = [name for name in fitting if np.allclose(units[name][:2], units[fitting[0]][:2], rtol=1e-3)]
    if fitting and alike == fitting:
        return fitting[0]
    what = f"could be in {' or in '.join(fitting)}" if fitting else "fits no unit that is known"
    matrix, fov = encoding.encoded.matrix, encoding.encoded.fov_mm
    raise BadScan(
        f"a trajectory up to {largest[0]:.4g} in x and {largest[1]:.4g} in y {what},"
        f" for a matrix of {matrix.x} x {matrix.y} over {fov.x:g} x {fov.y:g} mm"
    )


def kept_samples(head: Any) -> slice:  # noqa: ANN401 - numpy's own for one head
    """Say which samples of a readout count."""
    n, pre, post = (int(head[name]) for name in ("number_of_samples", "discard_pre", "discard_post"))
    if pre + post >= n:
        raise BadScan(f"a readout of {n} samples discards {pre} before and {post} after")
    return slice(pre, n - post)


def _need_every_readout(gatherer: Gatherer) -> None:
    """Refuse a hole in the count of interleaves or spokes, and frames of which one has fewer than another."""
    counts = np.bincount(gatherer.frame)
    for number, count in enumerate(counts.tolist()):
        name = f"slice {gatherer.first_heads()['idx']['slice'][number]}"
        if count < counts.max():
            raise IncompleteScan(f"{name} has {count} readouts where others have {counts.max()}")
        steps = np.unique(gatherer.heads["idx"]["kspace_encode_step_1"][gatherer.frame == number].astype(np.int64))
        stride = max(1, int(np.gcd.reduce(np.diff(steps)))) if len(steps) > 1 else 1
        missing = sorted(set(range(int(steps[0]), int(steps[-1]) + 1, stride)) - set(steps.tolist()))
        if missing and len(missing) < len(steps):
            raise IncompleteScan(
                f"{name} lacks {len(missing)} of {len(missing) + len(steps)} readouts ({listed(missing)})"
            )
