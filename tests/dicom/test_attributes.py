"""Each row of the mapping from MRD to patient, study, series and equipment: present, absent, malformed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydicom.dataset import Dataset

from gateway import __version__
from gateway.dicom.attributes import put_character_set, put_equipment, put_patient, put_series, put_study
from gateway.model.header import Measurement, ScanHeader, Study, Subject, System
from tests.dicom import scans

RECORDING = "ab" * 32


def patient(study_date: str | None = None, **fields: Any) -> Dataset:  # noqa: ANN401
    put_patient(ds := Dataset(), Subject(**fields), study_date)
    return ds


def study(**fields: Any) -> Dataset:  # noqa: ANN401
    put_study(ds := Dataset(), Study(**fields), recording_digest=RECORDING)
    return ds


def series(header: ScanHeader, output_index: int = 0) -> Dataset:
    put_series(ds := Dataset(), header, recording_digest=RECORDING, output_index=output_index)
    return ds


def of(**fields: Any) -> ScanHeader:  # noqa: ANN401
    return replace(scans.header(), measurement=Measurement(**fields))


def test_an_unknown_patient_has_all_required_attributes_and_no_value() -> None:
    ds = patient()
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex"):
        assert keyword in ds
        assert not ds[keyword].value
    assert "PatientWeight" not in ds


def test_an_identifier_keeps_its_zeros() -> None:
    assert patient(patient_id="00123").PatientID == "00123"
    assert study(accession_number="00012345").AccessionNumber == "00012345"


@pytest.mark.parametrize(("given", "sex"), [("M", "M"), ("female", "F"), (" o ", "O"), ("X", ""), ("N/A", "")])
def test_sex_is_one_of_three_or_empty(given: str, sex: str) -> None:
    assert (patient(sex=given).PatientSex or "") == sex


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), 1000.0])
def test_an_impossible_weight_is_left_out(weight: float) -> None:
    assert "PatientWeight" not in patient(weight_kg=weight)


def test_a_valid_study_uid_is_kept() -> None:
    assert study(instance_uid="1.2.3").StudyInstanceUID == "1.2.3"


@pytest.mark.parametrize("given", [None, "", "XXXXXXXX", "1.02.3", "9" * 70])
def test_a_study_uid_that_is_none_is_derived_from_the_recording(given: str | None) -> None:
    derived = study(instance_uid=given).StudyInstanceUID
    assert derived.startswith("2.25.")
    assert derived == study().StudyInstanceUID
    put_study(other := Dataset(), Study(), recording_digest="cd" * 32)
    assert derived != other.StudyInstanceUID


def test_the_scanners_frame_of_reference_is_kept_so_that_series_can_be_overlaid() -> None:
    assert series(of(frame_of_reference_uid="1.2.3.4")).FrameOfReferenceUID == "1.2.3.4"
    assert series(of(frame_of_reference_uid="no")).FrameOfReferenceUID == series(of()).FrameOfReferenceUID
    assert series(of()).FrameOfReferenceUID != study().StudyInstanceUID


@pytest.mark.parametrize(
    ("initial", "index", "number"),
    [(4, 0, 401), (4, 2, 403), (None, 0, 90_001), (0, 0, 90_001), (-3, 0, 90_001), (2**31, 0, 90_001)],
)
def test_series_numbers_keep_out_of_the_scanners_way(initial: int | None, index: int, number: int) -> None:
    assert series(of(initial_series_number=initial), index).SeriesNumber == number


@pytest.mark.parametrize(("given", "position"), [("HFS", "HFS"), ("ffdr", "FFDR"), ("SITTING", None), (None, None)])
def test_patient_position_is_one_of_eight_or_empty(given: str | None, position: str | None) -> None:
    ds = series(of(patient_position=given))
    assert "PatientPosition" in ds
    assert ds.PatientPosition == position


@pytest.mark.parametrize("part", ["BRAIN", "l spine", "Prostate"])
def test_laterality_is_absent_for_a_body_part_of_which_there_is_one(part: str) -> None:
    assert "Laterality" not in series(scans.with_study(body_part=part))


@pytest.mark.parametrize("part", ["KNEE", "Shoulder", None, "?!", "SOMETHING ELSE"])
def test_laterality_is_unknown_for_any_other(part: str | None) -> None:
    ds = series(scans.with_study(body_part=part))
    assert ds["Laterality"].is_empty


@pytest.mark.parametrize(
    ("given", "part", "side"),
    [("LEFT KNEE", "KNEE", "L"), ("knee_right", "KNEE", "R"), ("Right Left Hip", "HIP", None), ("LEFT", None, "L")],
)
def test_a_side_is_told_from_the_body_part(given: str, part: str | None, side: str | None) -> None:
    ds = series(scans.with_study(body_part=given))
    assert ds.get("BodyPartExamined") == part
    assert ds.Laterality == side


@pytest.mark.parametrize(
    ("birth", "on", "age"),
    [
        ("1970-02-03", "2024-02-02", "053Y"),
        ("1970-02-03", "20240203", "054Y"),
        ("2022-05-07", "2024-05-06", "023M"),
        ("2024-04-30", "2024-05-06", "006D"),
        ("2024-05-06", "2024-05-06", "000D"),
        ("2024-05-07", "2024-05-06", None),
        (None, "2024-05-06", None),
        ("1970-02-30", "2024-05-06", None),
        ("1970-02-03", None, None),
    ],
)
def test_the_age_is_that_on_the_day_of_the_study(birth: str | None, on: str | None, age: str | None) -> None:
    assert patient(birth_date=birth, study_date=on).get("PatientAge") == age


@pytest.mark.parametrize("given", ["XXXXXXXX", "0", "000", "UNKNOWN", "none", "N/A", "?", "---", "Unknown^Unknown"])
def test_no_placeholder_leaves_as_somebodys_name_or_number(given: str) -> None:
    ds = patient(patient_name=given, patient_id=given)
    assert not ds.PatientName
    assert not ds.PatientID
    assert not study(accession_number=given, study_id=given).AccessionNumber


@pytest.mark.parametrize("given", ["Xaver", "Null^Anna", "O", "Noname Jr^Bo", "100", "X0"])
def test_a_name_that_resembles_a_placeholder_is_kept(given: str) -> None:
    ds = patient(patient_name=given, patient_id=given)
    assert (ds.PatientName, ds.PatientID) == (given, given)


def test_the_serial_number_falls_back_to_the_id_of_the_device() -> None:
    for serial, expected in (("45387", "45387"), (None, "dev-7"), ("XXXX", "dev-7")):
        put_equipment(ds := Dataset(), System(vendor="V", device_serial=serial, device_id="dev-7"))
        assert ds.ContributingEquipmentSequence[0].DeviceSerialNumber == expected


def test_the_gateway_made_the_images_and_the_scanner_contributed() -> None:
    put_equipment(ds := Dataset(), scans.header().system)
    assert ds.Manufacturer == "MRI Reconstruction Gateway"
    assert ds.SoftwareVersions == __version__
    (scanner,) = ds.ContributingEquipmentSequence
    assert (scanner.Manufacturer, scanner.ManufacturerModelName, scanner.DeviceSerialNumber) == (
        "SIEMENS",
        "Skyra",
        "45387",
    )
    purpose = scanner.PurposeOfReferenceCodeSequence[0]
    assert (purpose.CodeValue, purpose.CodingSchemeDesignator) == ("109101", "DCM")


def test_a_scanner_without_a_vendor_is_no_item_because_the_item_needs_one() -> None:
    put_equipment(ds := Dataset(), System(model="Skyra"))
    assert "ContributingEquipmentSequence" not in ds


@pytest.mark.parametrize(("name", "declared"), [("Doe^Jane", False), ("Müller^Jörg", True), ("山田^太郎", True)])
def test_utf8_is_declared_where_it_is_needed(name: str, *, declared: bool) -> None:
    ds = patient(patient_name=name)
    put_character_set(ds)
    assert ("SpecificCharacterSet" in ds) == declared


def test_utf8_inside_a_sequence_counts() -> None:
    put_equipment(ds := Dataset(), System(vendor="Größe"))
    put_character_set(ds)
    assert ds.SpecificCharacterSet == "ISO_IR 192"
