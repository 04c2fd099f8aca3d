"""Where the samples of each line go along the readout: its own centre sample comes to the centre of the matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gateway.model.errors import BadScan
from gateway.model.readout import Flag
from gateway.recon.lines import Ints, Lines

SAME_TIME = 0.05
"""Readouts whose durations differ by less last as long as each other."""
TINY = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Alignment:
    """For every line. Every array has shape `(line,)`.

    Parameters
    ----------
    discard_pre, n_kept
        How many samples are no part of the line, and how many follow that are.
    start
        Index in the matrix of the first sample kept; negative where the line is longer than the matrix.
    reverse
        Whether the samples were measured from the other end.
    n_covered
        How many points of the matrix have a sample.
    """

    discard_pre: Ints
    n_kept: Ints
    start: Ints
    reverse: npt.NDArray[np.bool_]
    n_covered: Ints


def align(lines: Lines) -> Alignment:
    """Place every line by its own ``center_sample``.

    A centre of 0 or beyond the samples is no centre: then a whole readout is symmetric, and a part of one has no place.

    Raises
    ------
    BadScan
        Nothing is left of a readout, or its length and centre do not fit the matrix.
    """
    heads, n_x = lines.heads, lines.encoding.encoded.matrix.x
    samples, pre, post, sent = (
        heads[name].astype(np.int64) for name in ("number_of_samples", "discard_pre", "discard_post", "center_sample")
    )
    n_kept = samples - pre - post
    unknown = (sent == 0) | (sent >= samples)
    centre = np.where(unknown, n_kept // 2, sent - pre)
    _refuse(lines, n_kept < 1, "no sample is left")
    _refuse(lines, (centre < 0) | (centre >= n_kept), "the centre is to be discarded")
    _refuse(lines, unknown & (n_kept < n_x), "a part of a line needs a centre sample")
    _refuse(lines, n_kept >= 2 * n_x, "the encoded matrix seems to leave the oversampling out")
    _refuse(lines, (n_kept > n_x) & (centre != n_kept // 2), "a line longer than the matrix must be symmetric")
    _refuse(
        lines, _sparser(heads, n_kept), "others have more samples in the same time, so its steps in k-space are longer"
    )
    reverse = (heads["flags"] & np.uint64(Flag.IS_REVERSE.bit)) != 0
    start = n_x // 2 - np.where(reverse, n_kept - 1 - centre, centre)
    n_covered = np.minimum(start + n_kept, n_x) - np.maximum(start, 0)
    return Alignment(discard_pre=pre, n_kept=n_kept, start=start, reverse=reverse, n_covered=n_covered)


def _sparser(heads: npt.NDArray[Any], n_kept: Ints) -> npt.NDArray[np.bool_]:
    """Say which readouts have fewer samples than the longest, but of as much longer dwell time. Shape `(line,)`."""
    dwell_us = heads["sample_time_us"].astype(np.float64)
    longest = int(n_kept.argmax())
    known = (dwell_us > 0) & (dwell_us[longest] > 0)
    same_time = np.abs(n_kept * dwell_us / max(n_kept[longest] * dwell_us[longest], TINY) - 1) < SAME_TIME
    return np.asarray(known & same_time & (n_kept < (1 - SAME_TIME) * n_kept[longest]))


def _refuse(lines: Lines, bad: npt.NDArray[np.bool_], why: str) -> None:
    if not bad.any():
        return
    head = lines.heads[np.flatnonzero(bad)[0]]
    raise BadScan(
        f"readout {head['scan_counter']} has {head['number_of_samples']} samples, centre {head['center_sample']}, "
        f"{head['discard_pre']} and {head['discard_post']} to be discarded; "
        f"the encoded matrix has {lines.encoding.encoded.matrix.x}: {why}"
    )
