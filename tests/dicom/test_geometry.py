"""Every voxel stays at its place in the patient, whatever is done to show it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st

from gateway.dicom.geometry import (
    TURNS,
    Plane,
    between_slices_mm,
    display_turn,
    plane_of,
    stacks,
    turn_pixels,
    turn_plane,
)
from gateway.model.errors import BadScan
from gateway.model.image import Frame
from gateway.model.zyx import Zyx
from tests.dicom import scans
from tests.dicom.scans import ORIENTATIONS, Matrix

SPACING = Zyx(z=4.0, y=1.25, x=0.8)
LEFT, BACK, HEAD = np.eye(3)


def dicom_position(plane: Plane, row: int, column: int) -> Matrix:
    """Locate a pixel by equation C.7.6.2.1-1 of PS3.3."""
    affine = np.eye(4)
    affine[:3, 0] = plane.row * plane.between_columns_mm
    affine[:3, 1] = plane.column * plane.between_rows_mm
    affine[:3, 3] = plane.position_mm
    return np.asarray(affine @ [column, row, 0, 1])[:3]


def mrd_position(frame: Frame, row: int, column: int, shape: tuple[int, int]) -> Matrix:
    """Locate a pixel by what MRD says: its position is where an FFT has its centre."""
    right = (column - shape[1] // 2) * SPACING.x
    down = (row - shape[0] // 2) * SPACING.y
    return np.asarray(frame.position_mm) + right * np.asarray(frame.read_dir) + down * np.asarray(frame.phase_dir)


def oblique(orientation: int, seed: int, degrees: float) -> Frame:
    rng = np.random.default_rng(seed)
    directions = ORIENTATIONS[orientation] @ scans.rotation(rng, degrees)
    return scans.frames(directions, centre_mm=rng.uniform(-150, 150, size=3).tolist())[0]


@given(
    orientation=st.integers(0, 47),
    seed=st.integers(0, 2**32 - 1),
    degrees=st.floats(-180, 180),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    turn=st.sampled_from(TURNS),
)
def test_every_voxel_keeps_its_place_through_every_turn(
    orientation: int, seed: int, degrees: float, shape: tuple[int, int], turn: object
) -> None:
    frame = oblique(orientation, seed, degrees)
    labels = np.arange(shape[0] * shape[1]).reshape(shape)
    plane = plane_of(frame, SPACING, n_rows=shape[0], n_columns=shape[1])
    assert isinstance(turn, type(TURNS[0]))
    turned, there = turn_pixels(labels, turn), turn_plane(plane, turn)
    assert turned.shape == (there.n_rows, there.n_columns)
    for (row, column), label in np.ndenumerate(turned):
        truth = mrd_position(frame, *divmod(int(label), shape[1]), shape)
        np.testing.assert_allclose(dicom_position(there, row, column), truth, atol=2e-4)


@pytest.mark.parametrize("orientation", range(48))
def test_every_upright_orientation_is_shown_as_it_is_read(orientation: int) -> None:
    plane = plane_of(oblique(orientation, 0, 0.0), SPACING, n_rows=4, n_columns=6)
    shown = turn_plane(plane, display_turn(plane))
    normal = int(np.abs(plane.normal).argmax())
    expected = {0: (BACK, -HEAD), 1: (LEFT, -HEAD), 2: (LEFT, BACK)}[normal]
    np.testing.assert_allclose(shown.row, expected[0], atol=1e-6)
    np.testing.assert_allclose(shown.column, expected[1], atol=1e-6)


@given(orientation=st.integers(0, 47), seed=st.integers(0, 2**32 - 1), degrees=st.floats(-25, 25))
def test_an_oblique_image_is_shown_as_the_upright_one_nearest_to_it(
    orientation: int, seed: int, degrees: float
) -> None:
    plane = plane_of(oblique(orientation, seed, degrees), SPACING, n_rows=4, n_columns=6)
    shown = turn_plane(plane, display_turn(plane))
    upright = plane_of(oblique(orientation, seed, 0.0), SPACING, n_rows=4, n_columns=6)
    nearest = turn_plane(upright, display_turn(upright))
    assert shown.row @ nearest.row > 0.85
    assert shown.column @ nearest.column > 0.85


def test_the_first_pixel_of_a_known_slice() -> None:
    frame = scans.frames(np.eye(3), centre_mm=(10.0, -20.0, 30.0))[0]
    plane = plane_of(frame, Zyx(z=5.0, y=2.0, x=3.0), n_rows=4, n_columns=5)
    np.testing.assert_allclose(plane.position_mm, (10 - 2 * 3, -20 - 2 * 2, 30))
    assert (plane.between_rows_mm, plane.between_columns_mm) == (2.0, 3.0)


def test_cosines_are_written_at_right_angles_and_of_unit_length() -> None:
    frame = oblique(5, 3, 33.0)
    rough = replace(frame, read_dir=scans.vector(np.round(frame.read_dir, 4)))
    plane = plane_of(rough, SPACING, n_rows=4, n_columns=4)
    assert abs(plane.row @ plane.column) < 1e-15
    assert abs(np.linalg.norm(plane.row) - 1) < 1e-15
    assert abs(np.linalg.norm(plane.column) - 1) < 1e-15


@pytest.mark.parametrize(
    "broken",
    [
        {"read_dir": (0.0, 0.0, 0.0)},
        {"phase_dir": (0.0, 0.0, 0.0)},
        {"slice_dir": (0.0, 0.0, 0.0)},
        {"read_dir": (float("nan"), 0.0, 0.0)},
        {"phase_dir": (0.0, float("inf"), 0.0)},
        {"read_dir": (2.0, 0.0, 0.0)},
        {"phase_dir": (1.0, 0.0, 0.0)},
        {"phase_dir": (0.6, 0.8, 0.0)},
        {"slice_dir": (0.0, 0.6, 0.8)},
        {"position_mm": (float("nan"), 0.0, 0.0)},
        {"position_mm": (0.0, float("-inf"), 0.0)},
        {"position_mm": (0.0, 0.0, 1e30)},
    ],
)
def test_an_image_without_a_place_is_refused(broken: dict[str, tuple[float, float, float]]) -> None:
    frame = replace(scans.frames(np.eye(3))[0], **broken)  # type: ignore[arg-type]
    with pytest.raises(BadScan):
        plane_of(frame, SPACING, n_rows=4, n_columns=4)


@pytest.mark.parametrize("step", [0.0, -1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("axis", ["z", "y", "x"])
def test_an_impossible_spacing_is_refused(axis: str, step: float) -> None:
    with pytest.raises(BadScan):
        plane_of(scans.frames(np.eye(3))[0], replace(SPACING, **{axis: step}), n_rows=4, n_columns=4)


@pytest.mark.parametrize(
    ("offsets", "between"),
    [
        ((0.0, 5.0, 10.0), 5.0),
        ((10.0, 0.0, 5.0), 5.0),
        ((0.0, 0.0, 5.0, 5.0), 5.0),
        ((0.0, 5.0, 10.0005), 5.00025),
        ((0.0, 5.0, 10.5), None),
        ((0.0,), None),
        ((0.0, 0.0), None),
    ],
)
@pytest.mark.parametrize("orientation", [0, 13, 47])
def test_slice_spacing_is_measured_along_the_normal(
    offsets: tuple[float, ...], between: float | None, orientation: int
) -> None:
    directions = ORIENTATIONS[orientation] @ scans.rotation(np.random.default_rng(1), 20)
    planes = [plane_of(f, SPACING, n_rows=4, n_columns=4) for f in scans.frames(directions, offsets)]
    assert between_slices_mm(planes) == (between if between is None else pytest.approx(between, abs=1e-4))


def test_planes_that_are_not_parallel_are_different_stacks() -> None:
    scout = [ORIENTATIONS[number] for number in (0, 16, 0, 32, 16)]
    planes = [plane_of(scans.frames(d)[0], SPACING, n_rows=4, n_columns=4) for d in scout]
    assert stacks(planes) == [0, 1, 0, 2, 1]
