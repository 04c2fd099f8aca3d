"""Readouts become k-space: sorted, placed and averaged by index arrays, without a loop over readouts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gateway.model.errors import BadScan
from gateway.model.header import Encoding, ScanHeader
from gateway.model.readout import NOT_IMAGING, Acquisition, Readouts
from gateway.recon import sampling
from gateway.recon.sampling import Frames, Heads, Indices, Window

MAX_MATRIX = 2048
MAX_BYTES = 16 << 30
"""Largest k-space that is sorted in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KSpace:
    """Sorted Cartesian k-space; its centre is at ``n // 2`` of each axis.

    Parameters
    ----------
    samples
        Complex, receiver units, averages averaged, zero where nothing was measured. Shape `(frame coil z y x)`.
    filled
        Which lines were measured. Shape `(frame z y)`.
    frames
        What each frame is.
    expected_lines, expected_partitions
        Places along y and z that a fully sampled scan fills.
    """

    samples: Tensor
    filled: npt.NDArray[np.bool_]
    frames: Frames
    encoding: Encoding
    expected_lines: Indices
    expected_partitions: Indices
    dwell_time_us: float
    notes: tuple[str, ...]

    def refuse_missing(self) -> None:
        """Refuse k-space that is not fully sampled.

        Raises
        ------
        BadScan
            Naming what is missing.
        """
        sampling.refuse_missing_slices(self.frames, self.encoding)
        sampling.refuse_missing(self.filled, self.expected_lines, self.expected_partitions, self.frames)


def sort_cartesian(acquisition: Acquisition, header: ScanHeader) -> KSpace:
    """Sort the imaging readouts of a Cartesian scan.

    Raises
    ------
    BadScan
        They cannot become k-space: not Cartesian, none at all, empty, not finite, or out of bounds.
    """
    encoding = header.encodings[0]
    if encoding.trajectory not in ("cartesian", ""):
        raise BadScan(f"this method needs a Cartesian scan, and this one is {encoding.trajectory!r}")
    runs = _imaging(acquisition)
    heads: Heads = np.concatenate([run.heads for run in runs])
    matrix, vendor = encoding.encoded.matrix, header.system.vendor
    frames = sampling.find_frames(heads)
    n_coils = runs[0].samples.shape[1]
    _check_size(encoding, len(frames.heads), n_coils)

    y = sampling.place_along(heads, encoding, sampling.LINE, matrix=matrix.y, vendor=vendor)
    z = sampling.place_along(heads, encoding, sampling.PARTITION, matrix=matrix.z, vendor=vendor)
    counts = np.zeros((len(frames.heads), matrix.z, matrix.y), np.int64)
    np.add.at(counts, (frames.of, z, y), 1)
    samples = np.zeros((len(frames.heads), n_coils, *matrix.as_tuple()), np.complex64)
    notes = _fill(samples, runs, (frames.of, z, y), averaged=bool((counts > 1).any()))
    _average(samples, counts)
    lines = sampling.expected_along(y, heads, encoding, sampling.LINE, matrix=matrix.y)
    if len(lines) < matrix.y:
        notes.append(f"{len(lines)} of {matrix.y} phase-encoding lines were measured, the others are zero.")
    return KSpace(
        samples=torch.from_numpy(samples),
        filled=counts > 0,
        frames=frames,
        encoding=encoding,
        expected_lines=lines,
        expected_partitions=sampling.expected_along(z, heads, encoding, sampling.PARTITION, matrix=matrix.z),
        dwell_time_us=float(heads["sample_time_us"][0]),
        notes=tuple(notes),
    )


def _imaging(acquisition: Acquisition) -> list[Readouts]:
    """Keep the readouts that are lines of the image."""
    runs = [run.select(~run.flagged(NOT_IMAGING) & (run.heads["encoding_space_ref"] == 0)) for run in acquisition]
    runs = [run for run in runs if len(run)]
    n_all = sum(len(run) for run in acquisition)
    if not runs:
        raise BadScan(f"none of the {n_all} readouts is a line of an image: all are noise, calibration or the like")
    if not all(run.samples.size for run in runs):
        raise BadScan("there are imaging readouts without a sample")
    channels = sorted({run.samples.shape[1] for run in runs})
    if len(channels) > 1:
        raise BadScan(f"the number of coils changes within the scan: {', '.join(map(str, channels))}")
    for run in runs:
        if not np.isfinite(run.samples).all():
            raise BadScan("there are samples that are not finite")
    if not any(run.samples.any() for run in runs):
        raise BadScan("all samples are zero")
    return runs


def _check_size(encoding: Encoding, n_frames: int, n_coils: int) -> None:
    """Refuse what would not fit before memory is taken."""
    matrix = encoding.encoded.matrix
    if max(*matrix.as_tuple(), *encoding.recon.matrix.as_tuple()) > MAX_MATRIX:
        raise BadScan(f"a matrix of {matrix.x} x {matrix.y} x {matrix.z} is beyond {MAX_MATRIX}")
    n_bytes = 8 * n_frames * n_coils * matrix.x * matrix.y * matrix.z
    if n_bytes > MAX_BYTES:
        raise BadScan(f"k-space would need {n_bytes / 2**30:.1f} GiB, more than the {MAX_BYTES >> 30} GiB allowed")


def _fill(
    samples: npt.NDArray[np.complex64], runs: Sequence[Readouts], places: tuple[Indices, ...], *, averaged: bool
) -> list[str]:
    """Put every run where it belongs; return what the reader of the images should know."""
    notes, at = dict[str, None](), 0
    for run in runs:
        here = tuple(place[at : at + len(run)] for place in places)
        at += len(run)
        windows, of = sampling.windows_of(run.heads)
        for number, window in enumerate(windows):
            chosen = of == number
            values, x = _echo(run.samples[chosen], window, samples.shape[-1])
            if values.shape[-1] < samples.shape[-1]:
                notes["Readouts are shorter than the matrix (asymmetric echo), the rest is zero."] = None
            frame, z, y = (place[chosen] for place in here)
            if averaged:
                np.add.at(samples[..., x : x + values.shape[-1]], (frame, slice(None), z, y), values)
            else:
                samples[frame, :, z, y, x : x + values.shape[-1]] = values
    return list(notes)


def _echo(values: npt.NDArray[np.complex64], window: Window, nx: int) -> tuple[npt.NDArray[np.complex64], int]:
    """Cut and mirror readouts, and say at which x they begin so that the echo comes to ``nx // 2``."""
    values = values[..., window.first : window.last]
    values = values[..., ::-1] if window.reverse else values
    x = nx // 2 - window.center
    n = values.shape[-1]
    if n > nx and window.center == n // 2:
        return values[..., window.center - nx // 2 :][..., :nx], 0
    if x < 0 or x + n > nx:
        raise BadScan(f"a readout of {n} samples with its echo at {window.center} does not fit a matrix of {nx}")
    return values, x


def _average(samples: npt.NDArray[np.complex64], counts: npt.NDArray[np.int64]) -> None:
    repeated = np.argwhere(counts > 1)
    for frame in np.unique(repeated[:, 0]):
        samples[frame] /= np.maximum(counts[frame], 1)[None, :, :, None]
