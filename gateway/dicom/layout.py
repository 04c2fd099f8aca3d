"""The images of a series in display orientation and in the order in which they are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gateway.dicom.geometry import (
    Plane,
    Turn,
    between_slices_mm,
    display_turn,
    facing,
    plane_of,
    stacks,
    turn_pixels,
    turn_plane,
)
from gateway.model.errors import BadScan
from gateway.model.image import Frame
from gateway.model.zyx import Zyx


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedImage:
    """One image with its place.

    Parameters
    ----------
    stack
        Number of the stack of parallel images it belongs to.
    between_slices_mm
        Distance of neighbouring slices in this stack; None unless they are evenly spaced.
    transposed
        Whether rows run along the phase encoding now.
    values
        Stored pixels. Shape `(row column)`.
    """

    frame: Frame
    plane: Plane
    stack: int
    between_slices_mm: float | None
    transposed: bool
    values: npt.NDArray[Any]


def place(values: npt.NDArray[Any], frames: tuple[Frame, ...], spacing_mm: Zyx[float]) -> list[PlacedImage]:
    """Turn each stack of parallel images to display orientation, all its images alike, and sort the series.

    Parameters
    ----------
    values
        Shape `(frame y x)`.

    Raises
    ------
    BadScan
        A frame has no place in the patient.
    """
    n_rows, n_columns = values.shape[1:]
    planes = [plane_of(frame, spacing_mm, n_rows=n_rows, n_columns=n_columns) for frame in frames]
    numbers = stacks(planes)
    turns: dict[int, Turn] = {}
    for number, plane in zip(numbers, planes, strict=True):
        turns.setdefault(number, display_turn(plane))
    turned = [turn_plane(plane, turns[number]) for number, plane in zip(numbers, planes, strict=True)]
    gaps = {
        stack: between_slices_mm(plane for number, plane in zip(numbers, turned, strict=True) if number == stack)
        for stack in turns
    }
    images = [
        PlacedImage(
            frame=frame,
            plane=plane,
            stack=number,
            between_slices_mm=gaps[number],
            transposed=turns[number].transpose,
            values=turn_pixels(pixels, turns[number]),
        )
        for frame, plane, number, pixels in zip(frames, turned, numbers, values, strict=True)
    ]
    return sorted(images, key=_reading_order)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Pictures that belong to frames, as the images of these frames are read."""

    pixels: npt.NDArray[Any]
    """Shape `(picture row column)`."""
    order: tuple[int, ...]
    """Which frame each is of, counted from 0."""
    pixel_mm: float
    aspect: float
    facing: tuple[tuple[str, str], ...]


def as_read(values: npt.NDArray[Any], frames: tuple[Frame, ...], spacing_mm: Zyx[float]) -> Seen | None:
    """Lay pictures as `place` lays the images that they belong to.

    Parameters
    ----------
    values
        Shape `(frame y x)`.

    Returns
    -------
        None of frames that have no place in the patient, or that do not fill the same matrix when they are turned.
    """
    try:
        placed = place(values, frames, spacing_mm)
    except BadScan:
        return None
    if len({one.values.shape for one in placed}) > 1:
        return None
    plane, numbers = placed[0].plane, {id(frame): number for number, frame in enumerate(frames)}
    return Seen(
        pixels=np.stack([one.values for one in placed]),
        order=tuple(numbers[id(one.frame)] for one in placed),
        pixel_mm=plane.between_columns_mm,
        aspect=plane.between_rows_mm / plane.between_columns_mm,
        facing=tuple((facing(one.plane.row), facing(one.plane.column)) for one in placed),
    )


def _reading_order(image: PlacedImage) -> tuple[float, ...]:
    """Order by the normal, never by the slice counter, which interleaved scans count differently."""
    frame = image.frame
    return (frame.repetition, frame.set, frame.phase, frame.contrast, image.stack, image.plane.location_mm, frame.slice)
