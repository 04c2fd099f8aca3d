"""Undersample a scan of every line: readouts are left out and none is changed, so noise and coils stay as they were."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gateway.model.errors import BadScan
from gateway.model.header import ScanHeader
from gateway.model.readout import NOT_IMAGING, Acquisition, Flag, Readouts
from gateway.recon.lattice import need_every_line
from gateway.recon.lines import find_lines, need_cartesian

Bools = npt.NDArray[np.bool_]


def line_count(acquisition: Acquisition, header: ScanHeader) -> int:
    """Count the lines of the matrix of a scan of every line.

    Raises
    ------
    BadScan
        It is not Cartesian, has partitions, or lines are missing.
    """
    need_cartesian(header, "evaluation")
    lines = find_lines(acquisition, header)
    if lines.partitions.n > 1:
        raise BadScan("partitions were encoded; evaluation leaves lines out, of slices")
    need_every_line(lines, "evaluation")
    return lines.phase_encodes.n


def undersampled(
    acquisition: Acquisition, header: ScanHeader, *, measured: Bools, calibration: Bools, step: int
) -> tuple[Acquisition, ScanHeader]:
    """Keep the lines of a mask, flagged as a scanner flags them.

    Parameters
    ----------
    measured
        By index in the matrix, calibration included. Shape `(y,)`.
    calibration
        Those without gaps around the centre. Shape `(y,)`.
    step
        What the header says: one line in so many, in a regular pattern or by chance.
    """
    shift = find_lines(acquisition, header).phase_encodes.shift
    thinned = [_thinned(run, shift, measured, calibration) for run in acquisition]
    encoding = header.encodings[0]
    accelerated = replace(
        encoding,
        acceleration=replace(encoding.acceleration, y=float(step)),
        calibration_mode="embedded" if calibration.any() else None,
    )
    return [run for run in thinned if len(run)], replace(header, encodings=(accelerated, *header.encodings[1:]))


def _thinned(run: Readouts, shift: int, measured: Bools, calibration: Bools) -> Readouts:
    imaging = ~run.flagged(NOT_IMAGING)
    lines = run.heads["idx"]["kspace_encode_step_1"].astype(np.int64) + shift
    inside = imaging & (lines >= 0) & (lines < len(measured))
    at = np.where(inside, lines, 0)
    kept = run.select(~imaging | (inside & measured[at]))
    heads: npt.NDArray[Any] = kept.heads.copy()
    also = (inside & calibration[at])[~imaging | (inside & measured[at])]
    heads["flags"][also] |= np.uint64(Flag.IS_PARALLEL_CALIBRATION_AND_IMAGING.bit)
    return Readouts(heads, kept.samples, kept.trajectory)
