"""Points of known brightness at known places in the patient are found there by whoever reads the DICOM files.

Their signal is summed here from the physics alone: a point at p gives exp(-2 pi i k (p - position)), with k along the
directions of the header. Nothing of the way from there to the files takes part in making it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO

import numpy as np
import numpy.typing as npt
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from gateway.dicom.encoding import encode_series
from gateway.dicom.plan import SeriesPlan
from gateway.dicom.series import build_series
from gateway.model.form import ObjectFormat
from gateway.model.header import ScanHeader, Space
from gateway.model.readout import Acquisition, Readouts
from gateway.model.recipes import FftRecipe
from gateway.model.zyx import Zyx
from gateway.recon.engine import reconstruct
from gateway.recon.phantom import PhantomScan, head_phantom
from tests.dicom import scans
from tests.dicom.scans import ORIENTATIONS, Matrix

N_SLICES, GAP_MM = 4, 7.5
PLAN = SeriesPlan(
    recording_digest="ab" * 32,
    rule="all",
    recipe="fft",
    recipe_fingerprint="0",
    description="landmarks",
    received_at=datetime(2026, 1, 2, tzinfo=UTC),
)
PIXELS = ((0, 3, 4), (1, 20, 11), (2, 9, 30), (3, 25, 25), (0, 17, 40))
"""Slice, row and column of the landmarks in the scanner's own grid, each brighter than the one before."""


@dataclass(frozen=True, slots=True)
class Landmarks:
    """A scan, and where its points lie. Shape of the places: `(point xyz)`."""

    acquisition: Acquisition
    header: ScanHeader
    places_mm: Matrix


def scan(directions: Matrix, matrix: Zyx[int], *, fov_mm: float = 192.0, slab: bool = False) -> Landmarks:
    """Measure the landmarks with a readout oversampled twice."""
    centre = np.array([21.0, -34.0, 55.0])
    read, phase, through = directions
    n_z = N_SLICES
    steps = np.array([GAP_MM, fov_mm / matrix.y, fov_mm / matrix.x])
    middle = np.array([n_z // 2, matrix.y // 2, matrix.x // 2])
    offsets = (np.array(PIXELS) - middle) * steps
    places = centre + offsets @ np.stack([through, phase, read])
    plain, header = head_phantom(
        PhantomScan(n_slices=1 if slab else n_z, n_coils=1, matrix=replace(matrix, z=1), fov_mm=fov_mm, noise=0.0)
    )
    (run,) = plain
    kx = (np.arange(2 * matrix.x) - matrix.x) / (2 * fov_mm)
    ky = (np.arange(matrix.y) - matrix.y // 2) / fov_mm
    kz = (np.arange(n_z) - n_z // 2) / (n_z * GAP_MM)
    waves = [np.exp(-2j * np.pi * np.outer(offsets[:, axis], k)) for axis, k in enumerate((kz, ky, kx))]
    if not slab:  # each slice sees its own points alone
        waves[0] = np.eye(n_z)[[z for z, _, _ in PIXELS]].astype(np.complex128)
    brightness = np.arange(1, len(PIXELS) + 1) + 3.0
    kspace = np.einsum("p,pz,py,px->zyx", brightness, *waves)
    heads = run.heads if not slab else np.tile(run.heads, n_z)
    heads["read_dir"], heads["phase_dir"], heads["slice_dir"] = directions
    if slab:
        heads["position"] = centre
        heads["idx"]["kspace_encode_step_2"] = np.repeat(np.arange(n_z), matrix.y)
        heads["scan_counter"] = np.arange(len(heads))
        header = _as_slab(header, n_z)
    else:
        heads["position"] = centre + ((heads["idx"]["slice"].astype(float) - n_z // 2) * GAP_MM)[:, None] * through
    samples = kspace.reshape(-1, 1, 2 * matrix.x).astype(np.complex64)
    empty = np.zeros((len(samples), 2 * matrix.x, 0), np.float32)
    return Landmarks((Readouts(heads, samples, empty),), header, places)


def _as_slab(header: ScanHeader, n_z: int) -> ScanHeader:
    (encoding,) = header.encodings

    def thick(space: Space) -> Space:
        matrix, fov = replace(space.matrix, z=n_z), replace(space.fov_mm, z=n_z * GAP_MM)
        return Space(matrix=matrix, fov_mm=fov)

    partitions = replace(encoding.limits["kspace_encoding_step_1"], minimum=0, maximum=n_z - 1, center=n_z // 2)
    limits = {**encoding.limits, "kspace_encoding_step_2": partitions}
    limits["slice"] = replace(partitions, maximum=0, center=0)
    changed = replace(encoding, encoded=thick(encoding.encoded), recon=thick(encoding.recon), limits=limits)
    return replace(header, encodings=(changed,))


def files(landmarks: Landmarks, format_: ObjectFormat = ObjectFormat.CLASSIC) -> list[Dataset]:
    (images,) = reconstruct(
        landmarks.acquisition, landmarks.header, FftRecipe(), device="cpu", progress=lambda _fraction, _doing: None
    )
    plan = replace(PLAN, format=format_)
    return [dcmread(BytesIO(c)) for c in encode_series(build_series(images, landmarks.header, plan))]


def found_mm(datasets: Sequence[Dataset]) -> tuple[Matrix, float]:
    """Find the brightest points, the faintest first, by the equation of PS3.3 C.7.6.2.1.1; and the smallest pixel."""
    pixels = np.stack([ds.pixel_array for ds in datasets])
    order = np.argsort(pixels, axis=None)[-len(PIXELS) :]
    places = [
        _place(datasets[z], row, column) for z, row, column in zip(*np.unravel_index(order, pixels.shape), strict=True)
    ]
    return np.array(places), min(float(mm) for mm in datasets[0].PixelSpacing)


def _place(ds: Dataset, row: int, column: int) -> npt.NDArray[np.float64]:
    along, down = np.reshape(np.array(ds.ImageOrientationPatient, dtype=float), (2, 3))
    between_rows, between_columns = (float(mm) for mm in ds.PixelSpacing)
    corner = np.array(ds.ImagePositionPatient, dtype=float)
    return np.asarray(corner + column * between_columns * along + row * between_rows * down)


EVEN, ODD = Zyx(z=1, y=32, x=48), Zyx(z=1, y=33, x=45)


@pytest.mark.parametrize("orientation", range(48))
def test_landmarks_are_found_within_a_hundredth_of_a_pixel(orientation: int) -> None:
    directions = ORIENTATIONS[orientation] @ scans.rotation(np.random.default_rng(orientation), 20)
    landmarks = scan(directions, (EVEN, ODD)[orientation // 2 % 2])
    places, pixel_mm = found_mm(files(landmarks))
    np.testing.assert_allclose(places, landmarks.places_mm, atol=0.01 * pixel_mm)


@pytest.mark.parametrize("matrix", [EVEN, ODD], ids=["even", "odd"])
@pytest.mark.parametrize("orientation", [13, 22])
def test_the_partitions_of_a_slab_are_where_they_were_excited(orientation: int, matrix: Zyx[int]) -> None:
    directions = ORIENTATIONS[orientation] @ scans.rotation(np.random.default_rng(orientation), 15)
    landmarks = scan(directions, matrix, slab=True)
    datasets = files(landmarks)
    places, pixel_mm = found_mm(datasets)
    np.testing.assert_allclose(places, landmarks.places_mm, atol=0.01 * pixel_mm)
    assert {ds.MRAcquisitionType for ds in datasets} == {"3D"}
    assert [float(ds.SpacingBetweenSlices) for ds in datasets] == pytest.approx([GAP_MM] * N_SLICES)
    assert {float(ds.SliceThickness) for ds in datasets} == {GAP_MM}


@pytest.mark.parametrize("position", ["HFS", "HFP", "HFDR", "HFDL", "FFS", "FFP", "FFDR", "FFDL"])
def test_the_position_of_the_patient_is_told_and_moves_nothing(position: str) -> None:
    landmarks = scan(np.eye(3), EVEN)
    measurement = replace(landmarks.header.measurement, patient_position=position)
    datasets = files(replace(landmarks, header=replace(landmarks.header, measurement=measurement)))
    places, pixel_mm = found_mm(datasets)
    np.testing.assert_allclose(places, landmarks.places_mm, atol=0.01 * pixel_mm)
    assert {ds.PatientPosition for ds in datasets} == {position}


@pytest.mark.parametrize("orientation", range(0, 48, 11))
def test_slices_come_in_the_order_of_the_normal_of_what_is_shown(orientation: int) -> None:
    directions = ORIENTATIONS[orientation] @ scans.rotation(np.random.default_rng(orientation), 20)
    datasets = files(scan(directions, EVEN))
    along, down = np.reshape(np.array(datasets[0].ImageOrientationPatient, dtype=float), (2, 3))
    heights = [np.array(ds.ImagePositionPatient, dtype=float) @ np.cross(along, down) for ds in datasets]
    np.testing.assert_allclose(np.diff(heights), GAP_MM, atol=1e-3)
    assert [float(ds.SliceLocation) for ds in datasets] == pytest.approx(heights, abs=1e-3)
    assert [ds.InstanceNumber for ds in datasets] == [1, 2, 3, 4]


def test_a_mirrored_frame_of_directions_is_no_mirrored_patient() -> None:
    """The same points by a right-handed and a left-handed frame: the files differ in nothing that is seen."""
    right, left = (files(scan(np.diag([1.0, 1.0, hand]), EVEN)) for hand in (1.0, -1.0))
    for datasets, hand in ((right, 1.0), (left, -1.0)):
        places, pixel_mm = found_mm(datasets)
        truth = scan(np.diag([1.0, 1.0, hand]), EVEN).places_mm
        np.testing.assert_allclose(places, truth, atol=0.01 * pixel_mm)
    assert right[0].ImageOrientationPatient == left[0].ImageOrientationPatient == [1, 0, 0, 0, 1, 0]
