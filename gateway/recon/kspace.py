"""Readouts sorted to Cartesian k-space, as many frames at a time as are wanted."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gateway.model.errors import BadScan
from gateway.model.header import Encoding, ScanHeader
from gateway.model.readout import Acquisition
from gateway.recon.alignment import Alignment, align
from gateway.recon.frames import check_places
from gateway.recon.lines import Ints, Lines, find_lines, need_cartesian

BATCH_BYTES = 64 << 20
"""How much k-space is sorted at a time; never less than one frame."""

Complex = npt.NDArray[np.complex64]
Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class KSpace:
    """K-space of some frames; its centre is at index ``n // 2`` of each axis.

    Parameters
    ----------
    samples
        complex64; zero where nothing was measured. Shape `(frame coil z y x)`.
    filled
        Where lines were measured. Shape `(frame z y)`.
    heads
        Of the first imaging readout of each frame, `ACQUISITION_HEADER`. Shape `(frame,)`.
    encoding
        How k-space was covered.
    """

    samples: Tensor
    filled: Tensor
    heads: npt.NDArray[Any]
    encoding: Encoding

    def to(self, device: torch.device) -> KSpace:
        """Move the tensors to a device."""
        return replace(self, samples=self.samples.to(device), filled=self.filled.to(device))


def sort_cartesian(acquisition: Acquisition, header: ScanHeader, *, recipe: str) -> Sorter:
    """Find out where every readout of a Cartesian scan belongs; no sample is touched yet.

    Raises
    ------
    BadScan
        It is not Cartesian, has no imaging readouts, or does not say what or where was measured.
    """
    need_cartesian(header, recipe)
    lines = find_lines(acquisition, header)
    check_places(lines.first_heads())
    return Sorter(acquisition=acquisition, lines=lines, alignment=align(lines))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorter:
    """Sorts a scan into k-space, some frames at a time, so that memory does not grow with the scan."""

    acquisition: Acquisition
    lines: Lines
    alignment: Alignment

    def batches(self) -> Iterator[KSpace]:
        """Sort all frames in their order."""
        lines = self.lines
        step = max(1, BATCH_BYTES // lines.frame_bytes)
        for start in range(0, lines.n_frames, step):
            yield self.frames(start, min(start + step, lines.n_frames))

    def middle_frame(self) -> Tensor:
        """Sort the frame in the middle of the scan. Shape `(coil z y x)`."""
        middle = self.lines.n_frames // 2
        return self.frames(middle, middle + 1).samples[0]

    def frames(self, start: int, stop: int) -> KSpace:
        """Sort the frames from start up to stop; what was measured several times is averaged.

        Raises
        ------
        BadScan
            Samples are no numbers, or all of a frame's are zero.
        """
        lines = self.lines
        shape = lines.encoding.encoded.matrix.as_tuple()
        taken = lines.of_frames(start, stop)
        times_before = self._times_before(taken)
        repeated = bool(times_before.any())
        make = torch.empty if self._is_whole(taken, start, stop) and not repeated else torch.zeros
        kspace = make(stop - start, lines.n_coils, *shape, dtype=torch.complex64)
        data: Complex = kspace.numpy()
        counts = np.zeros((stop - start, *shape), dtype=np.uint16) if repeated else None
        for group in self._groups(taken, times_before):
            samples, x = self._samples(group)
            at = (lines.frame[group] - start, lines.z[group], lines.y[group], x)
            if counts is None:
                data[at[0], :, at[1], at[2], x] = samples
            else:
                data[at[0], :, at[1], at[2], x] += samples
                counts[at] += 1
        if counts is not None:
            data /= np.maximum(counts, 1)[:, np.newaxis]
        if self.acquisition[lines.run[taken.start]].conjugated:
            kspace.conj_physical_()
        self._check(kspace, start)
        return KSpace(
            samples=kspace,
            filled=torch.from_numpy(lines.measured(start, stop)),
            heads=lines.first_heads()[start:stop],
            encoding=lines.encoding,
        )

    def _is_whole(self, taken: slice, start: int, stop: int) -> bool:
        """Say whether lines without repetition cover every point, so that nothing is to be cleared before."""
        matrix = self.lines.encoding.encoded.matrix
        n_lines = (stop - start) * matrix.z * matrix.y
        return taken.stop - taken.start == n_lines and bool((self.alignment.n_covered[taken] == matrix.x).all())

    def _times_before(self, taken: slice) -> Ints:
        """Count for each line how often the same place was measured before it."""
        lines = self.lines
        place = np.stack([lines.frame[taken], lines.z[taken], lines.y[taken]])
        order = np.lexsort(place[::-1])
        new = np.any(np.diff(place[:, order], prepend=-1), axis=0)
        position = np.arange(len(order))
        times = np.empty_like(position)
        times[order] = position - np.maximum.accumulate(np.where(new, position, 0))
        return times

    def _groups(self, taken: slice, times_before: Ints) -> list[Ints]:
        """Split lines into groups of one run and one alignment, in which no place occurs twice."""
        alignment = self.alignment
        alike = (self.lines.run, alignment.discard_pre, alignment.n_kept, alignment.start, alignment.reverse)
        keys = np.stack([*(each[taken] for each in alike), times_before], axis=1)
        _, group, counts = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
        return np.split(np.argsort(group, kind="stable") + taken.start, np.cumsum(counts)[:-1])

    def _samples(self, group: Ints) -> tuple[Complex, slice]:
        """Take the samples of a group, and where they go along the readout. Shape `(line coil x)`."""
        lines, alignment, first = self.lines, self.alignment, group[0]
        pre, n_kept, start = (int(each[first]) for each in (alignment.discard_pre, alignment.n_kept, alignment.start))
        samples = self.acquisition[lines.run[first]].samples[_rows(lines.row[group]), :, pre : pre + n_kept]
        if alignment.reverse[first]:
            samples = samples[..., ::-1]
        x = slice(max(start, 0), min(start + n_kept, lines.encoding.encoded.matrix.x))
        return samples[..., x.start - start : x.stop - start], x

    def line(self, row: int) -> Complex:
        """Place the samples of one line, zero where there are none; not conjugated. Shape `(coil x)`."""
        samples, x = self._samples(np.array([row]))
        placed = np.zeros((samples.shape[1], self.lines.encoding.encoded.matrix.x), np.complex64)
        placed[:, x] = samples[0]
        return placed

    def _check(self, kspace: Tensor, start: int) -> None:
        values = torch.view_as_real(kspace).flatten(1)
        powers = [float(torch.dot(frame, frame)) for frame in values]
        if all(0 < power < math.inf for power in powers):  # one pass; what is too large or too small is looked at again
            return
        lowest, highest = torch.aminmax(values, dim=1)
        for frame, ends in enumerate(zip(lowest.tolist(), highest.tolist(), strict=True), start):
            if not all(map(math.isfinite, ends)):
                raise BadScan(f"{self.lines.name_frame(frame)} has samples that are not finite")
            if not any(ends):
                raise BadScan(f"{self.lines.name_frame(frame)} has only samples that are zero")


def _rows(rows: Ints) -> slice | Ints:
    """Take rows that follow each other as they are, without a copy."""
    first, last = int(rows[0]), int(rows[-1])
    alike = last - first == len(rows) - 1 and bool((np.diff(rows) == 1).all())
    return slice(first, last + 1) if alike else rows
