"""Where images lie: from the heads of readouts to frames; three-dimensional scans have one frame for each partition."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gateway.model.errors import BadScan
from gateway.model.image import Frame, Vector
from gateway.recon.space import Target

TABLE_READING = 1e-3
"""A reading changes by less than this part of itself while the table stands; some count in um, some in mm."""

_DIRECTIONS = ("read_dir", "phase_dir", "slice_dir")


def check_places(heads: npt.NDArray[Any]) -> None:
    """Refuse a scan that does not say where it was measured.

    Parameters
    ----------
    heads
        One for each frame. Shape `(frame,)`.

    Raises
    ------
    BadScan
        A direction is zero in some images, a number is not finite, two slices lie at the same place, or the table moved
        between images: positions count from the isocentre, and which way a table counts is not known.
    """
    table = np.abs(heads["patient_table_position"]).max(initial=0)
    if np.ptp(heads["patient_table_position"], axis=0).max() > max(1, TABLE_READING * table):
        raise BadScan("the table moved between images, so their positions do not say where they lie to each other")
    directions = np.stack([heads[name] for name in _DIRECTIONS])
    if not np.isfinite(heads["position"]).all():
        raise BadScan("the scan has no position")
    if not directions.any():  # the scanner sends none at all: whether such images may leave, the rule decides
        return
    if not np.isfinite(directions).all() or not directions.any(axis=-1).all():
        raise BadScan("the scan has no orientation in some of its images")
    others = [heads["idx"][name] for name in ("set", "repetition", "phase", "contrast")]
    places = np.column_stack([*others, heads["position"], heads["slice_dir"]])
    _, first, which = np.unique(places, axis=0, return_index=True, return_inverse=True)
    again = np.flatnonzero(first[which] != np.arange(len(heads)))
    if len(again):
        one, other = heads["idx"]["slice"][[first[which[again[0]]], again[0]]]
        raise BadScan(f"slices {one} and {other} lie at the same place")


def frames_of(head: Any, target: Target) -> tuple[Frame, ...]:  # noqa: ANN401 - numpy's own for one head
    """Describe the images of one frame of k-space, in the order of z.

    MRD's position is the centre of the slice, or in 3D of the slab, which an FFT puts at index ``n // 2``.
    """
    position, (read, phase, through) = _vector(head["position"]), (_vector(head[name]) for name in _DIRECTIONS)
    n_z, step_mm = target.matrix.z, target.spacing_mm.z
    idx = head["idx"]
    return tuple(
        Frame(
            position_mm=_along(position, through, (z - n_z // 2) * step_mm),
            read_dir=read,
            phase_dir=phase,
            slice_dir=through,
            slice=int(idx["slice"]) * n_z + z,
            contrast=int(idx["contrast"]),
            phase=int(idx["phase"]),
            repetition=int(idx["repetition"]),
            set=int(idx["set"]),
            acquisition_time_stamp=int(head["acquisition_time_stamp"]),
            physiology_time_stamp=int(head["physiology_time_stamp"][0]),
        )
        for z in range(n_z)
    )


def _vector(numbers: npt.NDArray[np.float32]) -> Vector:
    x, y, z = numbers.tolist()
    return (x, y, z)


def _along(position: Vector, direction: Vector, mm: float) -> Vector:
    x, y, z = (start + mm * along for start, along in zip(position, direction, strict=True))
    return (x, y, z)
