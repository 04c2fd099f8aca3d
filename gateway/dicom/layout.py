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
    plane_of,
    stacks,
    turn_pixels,
    turn_plane,
)
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


def place(
    values: npt.NDArray[np.uint16] | npt.NDArray[np.int16], frames: tuple[Frame, ...], spacing_mm: Zyx[float]
) -> list[PlacedImage]:
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


def _reading_order(image: PlacedImage) -> tuple[float, ...]:
    """Order by the normal, never by the slice counter, which interleaved scans count differently."""
    frame = image.frame
    return (frame.repetition, frame.set, frame.phase, frame.contrast, image.stack, image.plane.location_mm, frame.slice)
