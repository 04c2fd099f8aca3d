"""Where an image lies in the patient, as DICOM says it (Image Plane Module, PS3.3 C.7.6.2); knows nothing of pydicom.

MRD and DICOM both use LPS in mm: x to the left, y to the back, z to the head. They differ in the point they name: MRD
names the centre of the field of view, DICOM the centre of the first pixel.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from gateway.model.errors import BadScan
from gateway.model.image import Frame, Vector
from gateway.model.zyx import Zyx

Direction: TypeAlias = npt.NDArray[np.float64]
"""Three components in LPS."""

DIRECTION_TOLERANCE = 1e-3
"""How far directions may be from unit length and right angles: float32 and four decimals pass, an error does not."""

SPACING_TOLERANCE_MM = 1e-3

FARTHEST_MM = 10_000.0
"""No voxel is this far from the isocentre."""

SAID = 0.25
"""Cosine from which an axis of the patient is named beside a direction."""

PARALLEL_TOLERANCE = 1e-4
"""Planes whose cosines differ by no more are parallel (the limit by which viewers compare orientations)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """One image in the patient.

    Parameters
    ----------
    position_mm
        Centre of the first pixel: Image Position (Patient).
    row
        Direction along a row, that is of growing column index: first half of Image Orientation (Patient).
    column
        Direction down a column, that is of growing row index: second half.
    between_rows_mm, between_columns_mm
        Pixel Spacing, in DICOM's order.
    n_rows, n_columns
        The matrix.
    """

    position_mm: Direction
    row: Direction
    column: Direction
    between_rows_mm: float
    between_columns_mm: float
    n_rows: int
    n_columns: int

    @property
    def normal(self) -> Direction:
        """Row times column: the direction along which slices are ordered, which may be minus MRD's ``slice_dir``."""
        (rx, ry, rz), (cx, cy, cz) = self.row.tolist(), self.column.tolist()
        return np.array((ry * cz - rz * cy, rz * cx - rx * cz, rx * cy - ry * cx))  # np.cross takes 20 times as long

    @property
    def location_mm(self) -> float:
        """Distance of the plane from the isocentre along its normal: Slice Location."""
        return float(self.position_mm @ self.normal)

    def parallel_to(self, other: Plane) -> bool:
        """Say whether rows and columns run the same way."""
        along_rows = np.abs(self.row - other.row).max()
        return bool(max(along_rows, np.abs(self.column - other.column).max()) <= PARALLEL_TOLERANCE)


@dataclass(frozen=True, slots=True)
class Turn:
    """A way to lay the same pixels on the screen: transpose first, then flip."""

    transpose: bool
    flip_rows: bool
    flip_columns: bool


TURNS = tuple(Turn(*choice) for choice in product((False, True), repeat=3))

_LEFT, _BACK, _FEET = np.eye(3)[0], np.eye(3)[1], -np.eye(3)[2]

DISPLAY = ((_BACK, _FEET), (_LEFT, _FEET), (_LEFT, _BACK))
"""Where rows and columns should point, by the main axis of the normal: sagittal, coronal, axial."""


def plane_of(frame: Frame, spacing_mm: Zyx[float], *, n_rows: int, n_columns: int) -> Plane:
    """Say where a frame lies.

    ``frame.position_mm`` is the centre of pixel ``[n_rows // 2, n_columns // 2]``, where an FFT puts it.

    Raises
    ------
    BadScan
        A position or spacing is missing or not finite, or the directions are no right-angled frame of unit vectors.
    """
    row, column = _orthonormal(frame)
    centre = np.asarray(frame.position_mm, dtype=np.float64)
    if not np.abs(centre).max() < FARTHEST_MM:
        raise BadScan(f"slice {frame.slice}: the position {frame.position_mm} mm is not inside a scanner")
    if not all(0 < step < FARTHEST_MM for step in spacing_mm.as_tuple()):
        raise BadScan(f"the pixel spacing {spacing_mm.as_tuple()} mm (z, y, x) is not positive and finite")
    corner = centre - (n_columns // 2) * spacing_mm.x * row - (n_rows // 2) * spacing_mm.y * column
    return Plane(
        position_mm=corner,
        row=row,
        column=column,
        between_rows_mm=spacing_mm.y,
        between_columns_mm=spacing_mm.x,
        n_rows=n_rows,
        n_columns=n_columns,
    )


def _orthonormal(frame: Frame) -> tuple[Direction, Direction]:
    """Clean the float32 cosines (Gram-Schmidt)."""
    row = _unit(frame, "read_dir", frame.read_dir)
    phase = _unit(frame, "phase_dir", frame.phase_dir)
    through = _unit(frame, "slice_dir", frame.slice_dir)
    if max(abs(row @ phase), abs(row @ through), abs(phase @ through)) > DIRECTION_TOLERANCE:
        raise BadScan(f"slice {frame.slice}: read_dir, phase_dir and slice_dir are not at right angles")
    column = phase - (phase @ row) * row
    return row, column / np.linalg.norm(column)


def _unit(frame: Frame, name: str, direction: Vector) -> Direction:
    vector = np.asarray(direction, dtype=np.float64)
    length = float(np.linalg.norm(vector))
    if not abs(length - 1) <= DIRECTION_TOLERANCE:
        raise BadScan(f"slice {frame.slice}: {name} {direction} is no unit vector, so the image has no place")
    return vector / length


def display_turn(plane: Plane) -> Turn:
    """Choose the turn that brings an image closest to how it is read.

    Axial: rows to the left, columns to the back; coronal: left, feet; sagittal: back, feet.
    """
    along_rows, down_columns = DISPLAY[int(np.abs(plane.normal).argmax())]

    def likeness(turn: Turn) -> float:
        turned = turn_plane(plane, turn)
        return float(turned.row @ along_rows + turned.column @ down_columns)

    return max(TURNS, key=likeness)


def turn_plane(plane: Plane, turn: Turn) -> Plane:
    """Describe the same pixels after `turn_pixels`: every voxel stays at its place in the patient."""
    if turn.transpose:
        plane = replace(
            plane,
            row=plane.column,
            column=plane.row,
            between_rows_mm=plane.between_columns_mm,
            between_columns_mm=plane.between_rows_mm,
            n_rows=plane.n_columns,
            n_columns=plane.n_rows,
        )
    if turn.flip_rows:
        last = plane.position_mm + (plane.n_rows - 1) * plane.between_rows_mm * plane.column
        plane = replace(plane, position_mm=last, column=-plane.column)
    if turn.flip_columns:
        last = plane.position_mm + (plane.n_columns - 1) * plane.between_columns_mm * plane.row
        plane = replace(plane, position_mm=last, row=-plane.row)
    return plane


def turn_pixels(pixels: npt.NDArray[Any], turn: Turn) -> npt.NDArray[Any]:
    """Turn an image. Shape `(row column)`."""
    turned = pixels.T if turn.transpose else pixels
    rows, columns = (slice(None, None, -1 if flip else 1) for flip in (turn.flip_rows, turn.flip_columns))
    return np.ascontiguousarray(turned[rows, columns])


def facing(direction: Direction) -> str:
    """Name where a direction points in the patient, the strongest first: Patient Orientation (PS3.3 C.7.6.1.1.1).

    Components below a quarter are left out, as viewers do: an oblique axial image reads ``L`` and not ``LAF``.
    """
    strongest = sorted(zip(direction.tolist(), ("LR", "PA", "HF"), strict=True), key=lambda one: -abs(one[0]))
    return "".join(names[part < 0] for part, names in strongest if abs(part) >= SAID)


def stacks(planes: Sequence[Plane]) -> list[int]:
    """Tell the stacks of parallel planes apart: for each plane the number of its stack, in order of appearance.

    A stack shares one turn, so that noise in the directions cannot turn two of its slices differently.
    """
    first_of: list[Plane] = []
    numbers = []
    for plane in planes:
        known = (number for number, first in enumerate(first_of) if plane.parallel_to(first))
        number = next(known, len(first_of))
        if number == len(first_of):
            first_of.append(plane)
        numbers.append(number)
    return numbers


def between_slices_mm(planes: Iterable[Plane]) -> float | None:
    """Measure the distance of neighbouring centres along the normal; None unless parallel planes are evenly spaced."""
    locations: list[float] = []
    for location in sorted(plane.location_mm for plane in planes):
        if not locations or location - locations[-1] > SPACING_TOLERANCE_MM:
            locations.append(location)
    gaps = np.diff(locations)
    if not len(gaps) or np.ptp(gaps) > SPACING_TOLERANCE_MM:
        return None
    return float(gaps.mean())
