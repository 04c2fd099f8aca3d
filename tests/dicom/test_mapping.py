"""Every row of the mapping from an MRD header to a DICOM series: as sent, not sent, and malformed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
from pydicom.dataset import Dataset

from gateway.dicom.series import build_series
from gateway.model.header import Limit, ScanHeader
from gateway.model.image import Frame, ImageSeries
from gateway.model.zyx import Zyx
from tests.dicom import scans

ABSENT = object()
"""The attribute is not there."""
EMPTY = None
"""The attribute is there, and empty."""


class Row(NamedTuple):
    """One row: where a value goes in, where it comes out, and what becomes of which value."""

    put: Callable[[ScanHeader, Any], ScanHeader]
    keyword: str
    cases: tuple[tuple[object, object], ...]


def _in(part: str, field: str) -> Callable[[ScanHeader, Any], ScanHeader]:
    return lambda header, value: replace(header, **{part: replace(getattr(header, part), **{field: value})})


def _encoding(field: str) -> Callable[[ScanHeader, Any], ScanHeader]:
    return lambda header, value: replace(header, encodings=(replace(header.encodings[0], **{field: value}),))


def _limit(name: str) -> Callable[[ScanHeader, Any], ScanHeader]:
    def put(header: ScanHeader, value: object) -> ScanHeader:
        return _encoding("limits")(header, {} if value is None else {name: value})

    return put


NAN, INF = float("nan"), float("inf")

ROWS: dict[str, Row] = {
    "patient's name": Row(
        _in("subject", "patient_name"),
        "PatientName",
        (("Müller^Jörg", "Müller^Jörg"), (None, EMPTY), ("XXXX", EMPTY), ("a\\b", "a b"), ("ab" * 50, "ab" * 32)),
    ),
    "patient's id": Row(
        _in("subject", "patient_id"),
        "PatientID",
        (("00123", "00123"), (" 7 ", "7"), (None, EMPTY), ("UNKNOWN", EMPTY), ("y" * 65, EMPTY), ("1\\2", EMPTY)),
    ),
    "birth date": Row(
        _in("subject", "birth_date"),
        "PatientBirthDate",
        (("1970-02-03", "19700203"), (None, EMPTY), ("1970-02-30", EMPTY), ("0000-00-00", EMPTY), ("old", EMPTY)),
    ),
    "sex": Row(_in("subject", "sex"), "PatientSex", (("F", "F"), ("male", "M"), (None, EMPTY), ("X", EMPTY))),
    "weight": Row(
        _in("subject", "weight_kg"), "PatientWeight", ((80.5, 80.5), (None, ABSENT), (NAN, ABSENT), (-1.0, ABSENT))
    ),
    "height": Row(
        _in("subject", "height_m"), "PatientSize", ((1.8, 1.8), (None, ABSENT), (INF, ABSENT), (180.0, ABSENT))
    ),
    "study UID": Row(_in("study", "instance_uid"), "StudyInstanceUID", (("1.2.3", "1.2.3"),)),
    "study date": Row(
        _in("study", "date"), "StudyDate", (("2024-05-06", "20240506"), (None, EMPTY), ("20241341", EMPTY))
    ),
    "study time": Row(
        _in("study", "time"),
        "StudyTime",
        (("12:13:14.5", "121314.5"), (None, EMPTY), ("24:00:00", EMPTY), ("noon", EMPTY)),
    ),
    "study id": Row(_in("study", "study_id"), "StudyID", (("17", "17"), (None, EMPTY), ("z" * 17, EMPTY))),
    "accession number": Row(
        _in("study", "accession_number"),
        "AccessionNumber",
        (("00012345", "00012345"), ("ACC-17", "ACC-17"), (None, EMPTY), ("0", EMPTY), ("9" * 17, EMPTY)),
    ),
    "study description": Row(
        _in("study", "description"), "StudyDescription", (("Kopf", "Kopf"), (None, ABSENT), ("\0\n", ABSENT))
    ),
    "referring physician": Row(
        _in("study", "referring_physician"), "ReferringPhysicianName", (("Grün^Eva", "Grün^Eva"), (None, EMPTY))
    ),
    "body part": Row(
        _in("study", "body_part"),
        "BodyPartExamined",
        (("brain", "BRAIN"), ("LEFT KNEE", "KNEE"), (None, ABSENT), ("?!", ABSENT)),
    ),
    "side": Row(
        _in("study", "body_part"), "Laterality", (("LEFT KNEE", "L"), ("KNEE", EMPTY), (None, EMPTY), ("BRAIN", ABSENT))
    ),
    "series date": Row(
        _in("measurement", "series_date"), "SeriesDate", (("2024-05-06", "20240506"), (None, ABSENT), ("x", ABSENT))
    ),
    "series time": Row(
        _in("measurement", "series_time"), "SeriesTime", (("12:15:00", "121500"), (None, ABSENT), ("25:00:00", ABSENT))
    ),
    "patient position": Row(
        _in("measurement", "patient_position"), "PatientPosition", (("ffp", "FFP"), (None, EMPTY), ("UP", EMPTY))
    ),
    "series number": Row(
        _in("measurement", "initial_series_number"),
        "SeriesNumber",
        ((4, 401), (None, 90_001), (-3, 90_001), (2**40, 90_001)),
    ),
    "protocol": Row(
        _in("measurement", "protocol_name"), "ProtocolName", (("t2", "t2"), (None, ABSENT), ("a" * 70, "a" * 64))
    ),
    "sequence": Row(
        _in("measurement", "sequence_name"),
        "SequenceName",
        (("*tse2d1_9", "*tse2d1_9"), (None, ABSENT), ("q" * 20, "q" * 16)),
    ),
    "frame of reference": Row(
        _in("measurement", "frame_of_reference_uid"), "FrameOfReferenceUID", (("1.2.9", "1.2.9"),)
    ),
    "institution": Row(
        _in("system", "institution_name"), "InstitutionName", (("Klinik", "Klinik"), (None, ABSENT), ("\n", ABSENT))
    ),
    "station": Row(
        _in("system", "station_name"), "StationName", (("MR1", "MR1"), (None, ABSENT), ("m" * 20, "m" * 16))
    ),
    "field strength": Row(
        _in("system", "field_strength_t"),
        "MagneticFieldStrength",
        ((2.89362, 2.89362), (None, ABSENT), (NAN, ABSENT), (0.0, ABSENT), (-3.0, ABSENT)),
    ),
    "frequency": Row(
        _in("system", "h1_frequency_hz"),
        "ImagingFrequency",
        ((123_249_999, 123.249999), (None, ABSENT), (0, ABSENT), (-5, ABSENT)),
    ),
    "nucleus": Row(_in("system", "h1_frequency_hz"), "ImagedNucleus", ((63_000_000, "1H"), (None, ABSENT))),
    "coil": Row(
        _in("system", "coil_names"),
        "ReceiveCoilName",
        (
            ({0: "Head_32:1:H1", 1: "Head_32:1:H2"}, "Head_32"),
            ({}, ABSENT),
            ({0: "Head:1", 1: "Spine:1"}, ABSENT),
            ({0: "\n"}, ABSENT),
        ),
    ),
    "repetition time": Row(
        _in("sequence", "repetition_time_ms"), "RepetitionTime", (((500.0,), 500.0), ((), EMPTY), ((NAN,), EMPTY))
    ),
    "echo time": Row(
        _in("sequence", "echo_time_ms"), "EchoTime", (((10.0, 20.0), 10.0), ((), EMPTY), ((-1.0,), EMPTY))
    ),
    "flip angle": Row(
        _in("sequence", "flip_angle_deg"), "FlipAngle", (((150.0,), 150.0), ((), ABSENT), ((INF,), ABSENT))
    ),
    "sequence type": Row(
        _in("sequence", "sequence_type"), "ScanningSequence", (("Flash", "GR"), (None, "RM"), ("?", "RM"))
    ),
    "echo train": Row(_encoding("echo_train_length"), "EchoTrainLength", ((9, 9), (None, EMPTY), (-1, EMPTY))),
    "averages": Row(
        _limit("average"),
        "NumberOfAverages",
        (
            (Limit(minimum=0, maximum=3, center=0), 4.0),
            (None, ABSENT),
            (Limit(minimum=0, maximum=-9, center=0), ABSENT),
        ),
    ),
    "partial Fourier": Row(
        _limit("kspace_encoding_step_1"),
        "ScanOptions",
        (
            (Limit(minimum=0, maximum=95, center=64), "PFP"),
            (None, EMPTY),
            (Limit(minimum=5, maximum=1, center=9), EMPTY),
        ),
    ),
    "cardiac phases": Row(
        _limit("phase"),
        "CardiacNumberOfImages",
        ((Limit(minimum=0, maximum=19, center=0), 20), (None, ABSENT), (Limit(minimum=0, maximum=0, center=0), ABSENT)),
    ),
    "trajectory": Row(
        _encoding("trajectory"),
        "InPlanePhaseEncodingDirection",
        (("cartesian", "COL"), ("radial", ABSENT), ("", ABSENT)),
    ),
}


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [(name, *case) for name, row in ROWS.items() for case in row.cases],
)
def test_a_header_becomes_attributes(name: str, given: object, expected: object) -> None:
    row = ROWS[name]
    for ds in build_series(scans.images(), row.put(scans.header(), given), scans.plan()):
        _is(ds, row.keyword, expected)


def _is(ds: Dataset, keyword: str, expected: object) -> None:
    if expected is ABSENT:
        assert keyword not in ds
    elif expected is EMPTY:
        assert ds[keyword].is_empty
    else:
        assert ds[keyword].value == expected


@pytest.mark.parametrize("name", ["study UID", "frame of reference"])
@pytest.mark.parametrize("given", [None, "", "XXXX", "1.02.3", "1." * 40])
def test_a_uid_that_is_none_is_derived(name: str, given: str | None) -> None:
    row = ROWS[name]
    (ds, *_) = build_series(scans.images(), row.put(scans.header(), given), scans.plan())
    assert ds[row.keyword].value.startswith("2.25.")


IMAGES: dict[str, tuple[Callable[[ImageSeries], ImageSeries], str, object]] = {
    "two dimensions": (lambda images: images, "MRAcquisitionType", "2D"),
    "three dimensions": (lambda images: replace(images, three_dimensional=True), "MRAcquisitionType", "3D"),
    "thickness": (lambda images: images, "SliceThickness", 4.0),
    "lines": (lambda images: images, "NumberOfPhaseEncodingSteps", 16),
    "no lines": (lambda images: replace(images, n_lines=0), "NumberOfPhaseEncodingSteps", ABSENT),
    "half of the lines": (lambda images: replace(images, n_lines=8), "PercentSampling", 50.0),
    "more lines than there are": (lambda images: replace(images, n_lines=99), "PercentSampling", ABSENT),
    "bandwidth": (lambda images: replace(images, dwell_time_us=2.5, readout_samples=400), "PixelBandwidth", 1000.0),
    "no dwell time": (lambda images: replace(images, dwell_time_us=0.0), "PixelBandwidth", ABSENT),
    "negative dwell time": (lambda images: replace(images, dwell_time_us=-1.0), "PixelBandwidth", ABSENT),
    "rows": (lambda images: images, "PixelSpacing", [1.5, 0.75]),
    "notes": (lambda images: images, "ImageComments", "Reconstructed by fft."),
    "no notes": (lambda images: replace(images, notes=()), "ImageComments", ABSENT),
}


@pytest.mark.parametrize("name", IMAGES)
def test_images_become_attributes(name: str) -> None:
    change, keyword, expected = IMAGES[name]
    for ds in build_series(change(scans.images()), scans.header(), scans.plan()):
        _is(ds, keyword, expected)


FRAMES: dict[str, tuple[dict[str, int], str, object]] = {
    "first echo": ({"contrast": 0}, "EchoNumbers", 1),
    "second echo": ({"contrast": 1}, "EchoTime", 20.0),
    "an echo that the header does not know": ({"contrast": 5}, "EchoTime", EMPTY),
    "repetition": ({"repetition": 3}, "AcquisitionNumber", 4),
    "only repetition": ({"repetition": 3}, "TemporalPositionIdentifier", ABSENT),
    "clock": ({"acquisition_time_stamp": 16_000_000}, "AcquisitionTime", "110640.000000"),
    "no clock": ({"acquisition_time_stamp": 0}, "AcquisitionTime", ABSENT),
    "a clock beyond the day": ({"acquisition_time_stamp": 2**31}, "AcquisitionTime", ABSENT),
    "no heart": ({"physiology_time_stamp": 100}, "TriggerTime", ABSENT),
}


@pytest.mark.parametrize("name", FRAMES)
def test_counters_and_clocks_become_attributes(name: str) -> None:
    fields, keyword, expected = FRAMES[name]
    change: dict[str, Any] = dict(fields)
    frame: Frame = replace(scans.frames(np.eye(3))[0], **change)
    (ds,) = build_series(scans.images(where=(frame,)), scans.header(), scans.plan())
    _is(ds, keyword, expected)


def test_pixels_that_are_not_square_say_their_row_spacing_first() -> None:
    images = scans.images(spacing_mm=Zyx(z=4.0, y=2.0, x=1.0))
    assert [float(mm) for mm in build_series(images, scans.header(), scans.plan())[0].PixelSpacing] == [2.0, 1.0]
