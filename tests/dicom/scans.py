"""Headers, images and plans for the tests of gateway/dicom; every value can be replaced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import permutations, product

import numpy as np
import numpy.typing as npt

from gateway.dicom.plan import SeriesPlan
from gateway.model import header as mrd
from gateway.model.image import Frame, ImageKind, ImageSeries, Vector
from gateway.model.zyx import Zyx

Matrix = npt.NDArray[np.float64]

ORIENTATIONS: list[Matrix] = [
    np.diag(signs) @ np.eye(3)[list(order)]
    for order in permutations(range(3))
    for signs in product((1.0, -1.0), repeat=3)
]
"""All 48 ways to lay an image along the axes of the patient, mirrored ones too; rows are read, phase, slice."""


def rotation(rng: np.random.Generator, degrees: float) -> Matrix:
    """Turn by an angle about a random axis (Rodrigues)."""
    x, y, z = (axis := rng.normal(size=3)) / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.deg2rad(degrees)
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)


def vector(numbers: npt.NDArray[np.floating]) -> Vector:
    """Round as MRD does: float32."""
    x, y, z = (float(number) for number in np.asarray(numbers, dtype=np.float32))
    return (x, y, z)


def frames(
    directions: Matrix, offsets_mm: Sequence[float] = (0.0,), centre_mm: Sequence[float] = (0, 0, 0)
) -> tuple[Frame, ...]:
    """Lay frames at distances along ``slice_dir`` from the centre."""
    read, phase, through = directions
    return tuple(
        Frame(
            position_mm=vector(np.asarray(centre_mm) + offset * through),
            read_dir=vector(read),
            phase_dir=vector(phase),
            slice_dir=vector(through),
            slice=number,
            acquisition_time_stamp=16_000_000 + 40 * number,
        )
        for number, offset in enumerate(offsets_mm)
    )


def images(
    pixels: npt.NDArray[np.float32] | None = None,
    where: tuple[Frame, ...] | None = None,
    spacing_mm: Zyx[float] = Zyx(z=4.0, y=1.5, x=0.75),  # noqa: B008 - frozen
    kind: ImageKind = ImageKind.MAGNITUDE,
) -> ImageSeries:
    """Three axial slices of noise, unless told otherwise."""
    where = frames(np.eye(3), (0.0, 5.0, 10.0)) if where is None else where
    if pixels is None:
        pixels = np.random.default_rng(7).random((len(where), 16, 24), dtype=np.float32)
    return ImageSeries(
        pixels=pixels,
        frames=where,
        spacing_mm=spacing_mm,
        kind=kind,
        n_coils=4,
        n_lines=16,
        encoded_lines=16,
        dwell_time_us=5.0,
        readout_samples=48,
        notes=("Reconstructed by fft.",),
    )


def header() -> mrd.ScanHeader:
    """A header with everything in it."""
    space = mrd.Space(matrix=Zyx(z=1, y=16, x=24), fov_mm=Zyx(z=4.0, y=24.0, x=18.0))
    return mrd.ScanHeader(
        encodings=(mrd.Encoding(trajectory="cartesian", encoded=space, recon=space, echo_train_length=1),),
        subject=mrd.Subject(
            patient_name="Müller^Jörg",
            patient_id="00123",
            birth_date="1970-02-03",
            sex="M",
            weight_kg=80.5,
            height_m=1.8,
        ),
        study=mrd.Study(
            instance_uid="1.2.826.0.1.3680043.8.498.1",
            study_id="17",
            accession_number="ACC-0017",
            date="2024-05-06",
            time="12:13:14.5",
            description="Kopf nativ",
            referring_physician="Grün^Eva",
            body_part="BRAIN",
        ),
        measurement=mrd.Measurement(
            measurement_id="45387_1",
            series_date="2024-05-06",
            series_time="12:15:00",
            patient_position="HFS",
            initial_series_number=4,
            protocol_name="t2_tse_tra",
            sequence_name="*tse2d1_9",
            frame_of_reference_uid="1.2.826.0.1.3680043.8.498.2",
        ),
        system=mrd.System(
            vendor="SIEMENS",
            model="Skyra",
            station_name="MR1",
            institution_name="Klinik am Fluss",
            device_serial="45387",
            field_strength_t=2.89362,
            h1_frequency_hz=123_249_999,
        ),
        sequence=mrd.Sequence(
            sequence_type="TurboSpinEcho",
            repetition_time_ms=(500.0,),
            echo_time_ms=(10.0, 20.0),
            flip_angle_deg=(150.0,),
        ),
    )


def plan() -> SeriesPlan:
    """The plan of a conventional reconstruction."""
    return SeriesPlan(
        recording_digest="ab" * 32,
        rule="everything",
        recipe="fft",
        recipe_fingerprint="0123",
        description="t2_tse_tra fft",
        received_at=datetime(2024, 5, 6, 12, 20, 30, 250_000, tzinfo=UTC),
    )


def with_study(**fields: str | None) -> mrd.ScanHeader:
    """Replace fields of the study."""
    return replace(header(), study=replace(header().study, **fields))
