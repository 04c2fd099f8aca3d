"""Echo-planar readouts transformed along the readout, wherever their samples lie in k-space."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gateway.model.errors import BadScan
from gateway.model.header import Encoding
from gateway.model.readout import Acquisition, Flag, Readouts, mask
from gateway.recon.epi.regridding import regridding
from gateway.recon.epi.trapezoid import Floats, trapezoid_of
from gateway.recon.trajectory import find_unit, units_of

REVERSE, CALIBRATION = mask(Flag.IS_REVERSE), mask(Flag.IS_PARALLEL_CALIBRATION)

Bools: TypeAlias = npt.NDArray[np.bool_]
Ints: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Echoes:
    """Echo-planar readouts of one encoding in the order of acquisition, transformed along the readout.

    Parameters
    ----------
    data
        Complex. Shape `(readout coil x)`.
    backward
        Which were read from the other end. Shape `(readout,)`.
    step
        From one sample to the next in the middle of a readout, in cycles per encoded field of view.
    """

    heads: npt.NDArray[Any]
    data: Tensor
    backward: Bools
    step: float

    def flagged(self, flags: np.uint64) -> Bools:
        """Say which readouts carry any of the flags. Shape `(readout,)`."""
        return np.asarray((self.heads["flags"] & flags) != 0)


def is_echo(run: Readouts, space: int) -> Bools:
    """Say which readouts belong to the echo trains of an encoding, navigators and calibration included."""
    noise = run.flagged(mask(Flag.IS_NOISE_MEASUREMENT))
    return np.asarray((run.heads["encoding_space_ref"] == space) & ~noise & (run.samples.size > 0))


def find_echoes(acquisition: Acquisition, space: int) -> list[Bools]:
    """Say which readouts of each run are echoes of an encoding.

    Calibration lines that were all read in one direction, where the image was not, come from a gradient echo of their
    own: they are lines already.
    """
    rows = [is_echo(run, space) for run in acquisition]
    calibration = [run.flagged(CALIBRATION) & each for run, each in zip(acquisition, rows, strict=True)]
    reverse = [run.flagged(REVERSE) & each for run, each in zip(acquisition, rows, strict=True)]
    if any(each.any() for each in reverse) and not any(
        (one & other).any() for one, other in zip(calibration, reverse, strict=True)
    ):
        return [each & ~of_reference for each, of_reference in zip(rows, calibration, strict=True)]
    return rows


def transform_echoes(
    acquisition: Acquisition, of_space: list[Bools], encoding: Encoding, *, lag: float = 0.0
) -> tuple[Echoes, str]:
    """Transform all readouts of an encoding along the readout, and say from what grid.

    Parameters
    ----------
    lag
        Of the gradient behind its sampling, in samples: on a ramp it moves samples less than on the flat top.
    """
    picked = [(run, np.flatnonzero(rows)) for run, rows in zip(acquisition, of_space, strict=True) if rows.any()]
    n_coils, n_x = {run.samples.shape[1] for run, _ in picked}, encoding.encoded.matrix.x
    if len(n_coils) > 1:
        raise BadScan(f"the number of channels changes within the echo trains: {sorted(n_coils)}")
    data = torch.empty(sum(len(rows) for _, rows in picked), n_coils.pop(), n_x, dtype=torch.complex64)
    done, hows, step = 0, [], 1.0
    for run, rows in picked:
        for group, positions, how in _alike(run, rows, encoding):
            matrix = torch.from_numpy(regridding(_delayed(positions, lag), n=n_x).astype(np.complex64))
            kept = slice(int(run.heads["discard_pre"][group[0]]), None)
            samples = torch.from_numpy(np.ascontiguousarray(run.samples[group][..., kept][..., : len(positions)]))
            samples = samples.conj() if run.conjugated else samples
            data[done + np.searchsorted(rows, group)] = samples @ matrix.T
            hows.append(how)
            step = float(np.abs(np.diff(positions)).max(initial=0)) or step
        done += len(rows)
    heads = np.concatenate([run.heads[rows] for run, rows in picked])
    backward = (heads["flags"] & REVERSE) != 0
    said = f"Echo trains regridded from {' and '.join(dict.fromkeys(hows))}."
    return Echoes(heads=heads, data=data, backward=backward, step=step), said


def _alike(run: Readouts, rows: Ints, encoding: Encoding) -> Iterator[tuple[Ints, Floats, str]]:
    """Split readouts of a run into groups whose samples lie at the same places, and give these."""
    heads, how = run.heads[rows], ""
    pre, post = heads["discard_pre"].astype(np.int64), heads["discard_post"].astype(np.int64)
    backward = (heads["flags"] & REVERSE) != 0
    keys = np.column_stack([pre, post, heads["center_sample"], backward]).astype(np.float64)
    along = run.trajectory[rows, :, 0] if run.trajectory.shape[-1] else None
    if along is not None:
        keys = np.column_stack([keys, along])
    _, first, which = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    for number, example in enumerate(first.tolist()):
        positions, how = _positions(run, int(rows[example]), encoding)
        positions = positions[pre[example] : len(positions) - post[example]]
        if not len(positions):
            raise BadScan(f"readout {heads['scan_counter'][example]} of the echo trains has no sample left")
        yield rows[which == number], positions, how


def _positions(run: Readouts, row: int, encoding: Encoding) -> tuple[Floats, str]:
    """Place the samples of one readout, by its own trajectory, the timing in the header, or one step after another."""
    head, n_samples = run.heads[row], run.samples.shape[-1]
    if run.trajectory.shape[-1]:
        largest = np.abs(run.trajectory).max(axis=(0, 1)).astype(np.float64)
        largest = np.pad(largest[:2], (0, max(0, 3 - len(largest[:2]))))
        unit = find_unit(largest, encoding)
        return run.trajectory[row, :, 0].astype(np.float64) * units_of(encoding)[unit][0], "the trajectory sent along"
    direction = -1 if int(head["flags"]) & Flag.IS_REVERSE.bit else 1
    trapezoid = trapezoid_of(encoding, dwell_us=float(head["sample_time_us"]))
    if trapezoid is not None and trapezoid.n_samples == n_samples:
        return direction * trapezoid.positions(encoding.encoded.matrix.x), "the timing of the gradient"
    centre = int(head["center_sample"])
    if not 0 < centre < n_samples:
        centre = n_samples // 2
    if n_samples >= 2 * encoding.encoded.matrix.x:
        raise BadScan(f"echo trains have {n_samples} samples for a matrix of {encoding.encoded.matrix.x}")
    return direction * (np.arange(n_samples, dtype=np.float64) - centre), "an even grid"


def _delayed(positions: Floats, lag: float) -> Floats:
    """Say where the gradient was so many samples earlier; it is straight beyond the ends."""
    if not lag:
        return positions
    before, after = (
        positions[0] - (positions[1] - positions[0]) * 9,
        positions[-1] + (positions[-1] - positions[-2]) * 9,
    )
    n = np.arange(len(positions))
    return np.asarray(np.interp(n - lag, [-9, *n, len(n) + 8], [before, *positions, after]))
