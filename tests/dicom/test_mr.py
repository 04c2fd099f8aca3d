"""Sequence, timing and sampling as the MR Image module wants them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from gateway.dicom import mr
from gateway.model.header import Limit, ScanHeader, Sequence
from gateway.model.image import Frame
from tests.dicom import scans


def frame(**fields: Any) -> Frame:  # noqa: ANN401
    return replace(scans.frames(np.eye(3))[0], **fields)


def shared(header: ScanHeader) -> Dataset:
    mr.put_series(ds := Dataset(), scans.images(), header)
    return ds


def timed(header: ScanHeader, where: Frame) -> Dataset:
    ds = shared(header)
    mr.put_echo(ds, where, header)
    mr.put_moment(ds, where, header)
    return ds


def of(**fields: Any) -> ScanHeader:  # noqa: ANN401
    return replace(scans.header(), sequence=Sequence(**fields))


@pytest.mark.parametrize(
    ("sequence_type", "trajectory", "expected"),
    [
        ("Flash", "cartesian", ("GR", "SP")),
        ("TurboSpinEcho", "cartesian", ("SE", "SK")),
        ("Turbo_Spin_Echo", "cartesian", ("SE", "SK")),
        ("EPI", "epi", ("EP", "NONE")),
        (None, "epi", ("EP", "NONE")),
        ("TrueFISP", "cartesian", ("GR", "SS")),
        ("IR", "cartesian", ("IR", "NONE")),
        ("IR_TSE", "cartesian", (["SE", "IR"], "SK")),
        ("inversion recovery flash", "cartesian", (["GR", "IR"], "SP")),
        ("FIRE", "cartesian", ("RM", "NONE")),
        ("", "spiral", ("RM", "NONE")),
        (None, "radial", ("RM", "NONE")),
    ],
)
def test_sequences(sequence_type: str | None, trajectory: str, expected: object) -> None:
    assert mr.scanning_sequence(sequence_type, trajectory) == expected


@pytest.mark.parametrize(("contrast", "echo_time"), [(0, 10), (1, 20), (2, None)])
def test_each_echo_has_its_own_time(contrast: int, echo_time: float | None) -> None:
    ds = timed(scans.header(), frame(contrast=contrast))
    assert ds.EchoTime == echo_time
    assert ds.EchoNumbers == contrast + 1
    assert ds.RepetitionTime == 500


def test_one_echo_time_is_not_that_of_the_second_echo() -> None:
    assert timed(of(echo_time_ms=(5.0,)), frame(contrast=1)).EchoTime is None


def test_the_inversion_time_goes_with_an_inversion_only() -> None:
    assert timed(of(sequence_type="IR_TSE", inversion_time_ms=(150.0,)), frame()).InversionTime == 150
    assert timed(of(sequence_type="IR_TSE"), frame())["InversionTime"].is_empty
    assert "InversionTime" not in timed(of(sequence_type="TSE", inversion_time_ms=(150.0,)), frame())


@pytest.mark.parametrize("value", [float("nan"), -3.0, 0.0])
def test_times_that_are_none_stay_empty(value: float) -> None:
    ds = timed(of(repetition_time_ms=(value,), echo_time_ms=(value,)), frame())
    assert ds["RepetitionTime"].is_empty
    assert ds["EchoTime"].is_empty


@pytest.mark.parametrize(
    ("stamp", "vendor", "expected"),
    [
        (16_000_000, "SIEMENS", "110640.000000"),
        (1, "Siemens Healthineers", "000000.002500"),
        (34_559_999, "SIEMENS", "235959.997500"),
        (34_560_000, "SIEMENS", None),
        (0, "SIEMENS", None),
        (16_000_000, "GE MEDICAL SYSTEMS", None),
        (16_000_000, None, None),
    ],
)
def test_only_siemens_ticks_tell_the_time(stamp: int, vendor: str | None, expected: str | None) -> None:
    assert mr.acquisition_time(stamp, vendor) == expected


def test_sampling_follows_the_scan() -> None:
    ds = shared(scans.header())
    assert ds.PixelBandwidth == pytest.approx(1e6 / (5.0 * 48))
    assert ds.NumberOfPhaseEncodingSteps == 16
    assert ds.PercentSampling == 100
    assert ds.PercentPhaseFieldOfView == pytest.approx(100 * 24 / 18)
    assert ds.ImagingFrequency == pytest.approx(123.249999)
    assert ds.MRAcquisitionType == "2D"


def test_what_is_not_known_is_left_out() -> None:
    header = replace(scans.header(), system=replace(scans.header().system, h1_frequency_hz=None))
    plain = replace(scans.images(), dwell_time_us=0.0, readout_samples=0, n_lines=0, encoded_lines=0)
    mr.put_series(ds := Dataset(), plain, header)
    for keyword in ("PixelBandwidth", "NumberOfPhaseEncodingSteps", "PercentSampling", "ImagingFrequency"):
        assert keyword not in ds


@pytest.mark.parametrize(
    ("limit", "options"),
    [
        (Limit(minimum=0, maximum=127, center=64), None),
        (Limit(minimum=0, maximum=126, center=64), None),
        (Limit(minimum=0, maximum=95, center=64), "PFP"),
        (Limit(minimum=0, maximum=95, center=32), "PFP"),
        (Limit(minimum=0, maximum=0, center=0), None),
    ],
)
def test_partial_fourier_is_seen_in_the_limits(limit: Limit, options: str | None) -> None:
    (encoding,) = scans.header().encodings
    limits = {"kspace_encoding_step_1": limit}
    ds = shared(replace(scans.header(), encodings=(replace(encoding, limits=limits),)))
    assert ds.ScanOptions == options


def test_cardiac_phases_have_a_trigger_time() -> None:
    (encoding,) = scans.header().encodings
    limits = {"phase": Limit(minimum=0, maximum=19, center=0)}
    cine = replace(scans.header(), encodings=(replace(encoding, limits=limits),))
    assert timed(cine, frame(physiology_time_stamp=100)).TriggerTime == 250
    assert "TriggerTime" not in timed(scans.header(), frame(physiology_time_stamp=100))


@pytest.mark.parametrize(
    ("trajectory", "transposed", "direction"),
    [("cartesian", False, "COL"), ("epi", True, "ROW"), ("radial", True, None)],
)
def test_the_phase_direction_turns_with_the_image(trajectory: str, transposed: bool, direction: str | None) -> None:
    assert mr.phase_direction(trajectory, transposed=transposed) == direction


@pytest.mark.parametrize(
    ("begun_at", "stamp", "date"),
    [
        ("23:58:00", 34_550_000, "20240506"),
        ("23:58:00", 40_000, "20240507"),
        ("12:15:00", 16_000_000, "20240506"),
        (None, 40_000, "20240506"),
    ],
)
def test_an_acquisition_after_midnight_is_of_the_next_day(begun_at: str | None, stamp: int, date: str) -> None:
    measurement = replace(scans.header().measurement, series_time=begun_at)
    ds = timed(replace(scans.header(), measurement=measurement), frame(acquisition_time_stamp=stamp))
    assert ds.AcquisitionDate == date


@pytest.mark.parametrize(
    ("stamps", "vendor", "resolution_ms"),
    [
        ((1000, 1800, 2600), "SIEMENS", 2000.0),
        ((1000, 1800, 2610), "SIEMENS", 2012.5),
        ((1000, 1800, 4000), "SIEMENS", None),
        ((1000, 1800), "GE", None),
        ((1000,), "SIEMENS", None),
        ((0, 0), "SIEMENS", 0.0),
    ],
)
def test_the_temporal_resolution_is_the_pace(stamps: tuple[int, ...], vendor: str, resolution_ms: float | None) -> None:
    frames = [
        frame(repetition=number, acquisition_time_stamp=stamp + later)
        for number, stamp in enumerate(stamps)
        for later in (5, 0)
    ]
    assert mr.temporal_resolution_ms(frames, vendor) == resolution_ms


def test_one_repetition_is_no_time_series() -> None:
    mr.put_time_series(ds := Dataset(), frame(), [0], None)
    assert "TemporalPositionIdentifier" not in ds
    mr.put_time_series(ds, frame(repetition=3), [1, 3], 0.0)
    assert (ds.TemporalPositionIdentifier, ds.NumberOfTemporalPositions) == (2, 2)
    assert "TemporalResolution" not in ds
