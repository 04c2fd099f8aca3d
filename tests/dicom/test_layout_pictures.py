"""Pictures of the gate lie as the images that they stand beside: turned and sorted alike, and they say which way."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.dicom.geometry import facing
from gateway.dicom.layout import as_read, place
from gateway.model.image import Frame
from gateway.model.zyx import Zyx

SPACING = Zyx(z=5.0, y=2.0, x=1.0)


def frame(number: int, position_mm: tuple[float, float, float], *, axis: str = "axial") -> Frame:
    """One frame of a stack; of a coronal one the lines run to the head, which is not how it is read."""
    read, phase = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)) if axis == "axial" else ((0.0, 0.0, 1.0), (1.0, 0.0, 0.0))
    through = (0.0, 0.0, 1.0) if axis == "axial" else (0.0, 1.0, 0.0)
    return Frame(position_mm=position_mm, read_dir=read, phase_dir=phase, slice_dir=through, slice=number)


@pytest.mark.parametrize(
    ("direction", "name"),
    [
        ((1, 0, 0), "L"),
        ((-1, 0, 0), "R"),
        ((0, 1, 0), "P"),
        ((0, 0, -1), "F"),
        ((0.95, 0.3, 0.05), "LP"),
        ((0.6, -0.5, 0.62), "HLA"),
        ((0.99, 0.1, 0.1), "L"),
    ],
)
def test_a_direction_is_named_by_where_it_points_the_strongest_first(
    direction: tuple[float, float, float], name: str
) -> None:
    assert facing(np.array(direction, float)) == name


@pytest.mark.parametrize("axis", ["axial", "coronal"])
def test_pictures_are_turned_and_sorted_as_their_images_are(axis: str) -> None:
    along = 2 if axis == "axial" else 1
    frames = tuple(
        frame(number, tuple(mm if one == along else 0.0 for one in range(3)), axis=axis)  # type: ignore[arg-type]
        for number, mm in enumerate((10.0, -10.0, 0.0))
    )
    values = np.random.default_rng(1).integers(0, 99, (3, 4, 6)).astype(np.int16)
    seen = as_read(values, frames, SPACING)
    assert seen is not None
    placed = place(values, frames, SPACING)
    np.testing.assert_array_equal(seen.pixels, np.stack([one.values for one in placed]))
    assert [frames[one].slice for one in seen.order] == [one.frame.slice for one in placed]
    assert seen.order != (0, 1, 2)
    assert set(seen.facing) == {("L", "P") if axis == "axial" else ("L", "F")}
    assert (seen.pixel_mm, seen.aspect) == ((1.0, 2.0) if axis == "axial" else (2.0, 0.5))


def test_frames_without_a_place_are_left_as_they_are() -> None:
    lost = Frame(position_mm=(0, 0, 0), read_dir=(0, 0, 0), phase_dir=(0, 0, 0), slice_dir=(0, 0, 0), slice=0)
    assert as_read(np.zeros((1, 2, 2)), (lost,), SPACING) is None
