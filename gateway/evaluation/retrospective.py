"""Undersample a scan of every line: readouts are left out and none is changed, so noise and coils stay as they were."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gateway.model.errors import BadScan
from gateway.model.header import Limit, ScanHeader
from gateway.model.readout import NOT_IMAGING, Acquisition, Flag, Readouts
from gateway.model.zyx import Zyx
from gateway.recon.lattice import need_every_line
from gateway.recon.lines import find_lines
from gateway.recon.space import imaging_encoding, is_cartesian

Bools = npt.NDArray[np.bool_]


def encoded_shape(acquisition: Acquisition, header: ScanHeader) -> tuple[int, int]:
    """Count the partitions, 1 of slices, and the lines of the matrix of a scan of every line.

    Raises
    ------
    BadScan
        It is not Cartesian, or lines are missing.
    """
    encoding = imaging_encoding(header)
    if not is_cartesian(encoding):
        raise BadScan(
            f"this scan is {encoding.trajectory}: evaluation leaves lines out of Cartesian scans, "
            "and has no way to leave readouts or samples out of others"
        )
    lines = find_lines(acquisition, header)
    need_every_line(lines, "evaluation")
    return lines.partitions.n, lines.phase_encodes.n


def undersampled(
    acquisition: Acquisition, header: ScanHeader, *, measured: Bools, calibration: Bools, step: int | Zyx[float]
) -> tuple[Acquisition, ScanHeader]:
    """Keep the lines of a mask, flagged as a scanner flags them; a mask without gaps is a scan that wanted no more.

    Parameters
    ----------
    measured
        By index in the matrix, calibration included. Shape `(y,)`, of slabs `(z y)`.
    calibration
        Those without gaps around the centre. Of the same shape.
    step
        What the header says: one line in so many, in a regular pattern or by chance; of slabs in either direction.
    """
    lines = find_lines(acquisition, header)
    shifts = lines.partitions.shift, lines.phase_encodes.shift
    points, middle = np.atleast_2d(measured), np.atleast_2d(calibration)
    thinned = [_thinned(run, shifts, points, middle) for run in acquisition]
    encoding = header.encodings[0]
    accelerated = replace(
        encoding,
        acceleration=step if isinstance(step, Zyx) else replace(encoding.acceleration, y=float(step)),
        calibration_mode="embedded" if calibration.any() else None,
        limits={**encoding.limits, **_limits(points, shifts)},
    )
    return [run for run in thinned if len(run)], replace(header, encodings=(accelerated, *header.encodings[1:]))


def _limits(measured: Bools, shifts: tuple[int, int]) -> dict[str, Limit]:
    """Say what was wanted of a mask `(z y)` that keeps a block; nothing where it has gaps."""
    z, y = (np.flatnonzero(measured.any(axis=axis)) for axis in (1, 0))
    block = np.ix_(np.arange(z[0], z[-1] + 1), np.arange(y[0], y[-1] + 1))
    if not measured[block].all():
        return {}
    names = ("kspace_encoding_step_2", "kspace_encoding_step_1")
    return {
        name: Limit(minimum=int(at[0]) - shift, maximum=int(at[-1]) - shift, center=n // 2 - shift)
        for name, at, n, shift in zip(names, (z, y), measured.shape, shifts, strict=True)
        if n > 1
    }


def _thinned(run: Readouts, shifts: tuple[int, int], measured: Bools, calibration: Bools) -> Readouts:
    """Keep the lines of a mask `(z y)`."""
    imaging = ~run.flagged(NOT_IMAGING)
    names = ("kspace_encode_step_2", "kspace_encode_step_1")
    at = np.stack([run.heads["idx"][name].astype(np.int64) + by for name, by in zip(names, shifts, strict=True)])
    inside = imaging & ((at >= 0) & (at < np.array(measured.shape)[:, None])).all(axis=0)
    z, y = np.where(inside, at, 0)
    chosen = ~imaging | (inside & measured[z, y])
    kept = run.select(chosen)
    heads: npt.NDArray[Any] = kept.heads.copy()
    heads["flags"][(inside & calibration[z, y])[chosen]] |= np.uint64(Flag.IS_PARALLEL_CALIBRATION_AND_IMAGING.bit)
    return Readouts(heads, kept.samples, kept.trajectory)
