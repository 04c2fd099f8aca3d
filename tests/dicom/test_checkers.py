"""Everything that the gateway writes passes the checkers of others, without a fault that is not in their table."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import dcmread

from gateway.dicom.encoding import encode_series
from gateway.dicom.series import build_series
from gateway.model.form import Compression, ObjectFormat
from tests.dicom import scans
from tests.dicom.checkers import ALLOWED_WARNINGS, dcentvfy, dciodvfy, highdicom_tables, validate_iods
from tests.dicom.variants import VARIANTS, written

FORMATS = list(ObjectFormat)
EXTENDED = ("diffusion", ObjectFormat.CLASSIC)
"""Has attributes beyond its IOD, as the conformance statement says (5.2.5)."""


def files_of(
    name: str, folder: Path, format_: ObjectFormat, compression: Compression = Compression.NONE, index: int = 0
) -> list[Path]:
    return [path for _, path in written(name, folder, format_, compression, index)]


@pytest.mark.peer("dciodvfy")
@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("name", VARIANTS)
def test_dciodvfy_has_neither_error_nor_warning(name: str, format_: ObjectFormat, tmp_path: Path) -> None:
    files = files_of(name, tmp_path, format_)
    assert [dciodvfy(file) for file in {files[0], files[-1]}] == [[]] * len({files[0], files[-1]})


@pytest.mark.peer("dciodvfy")
@pytest.mark.parametrize("compression", [one for one in Compression if one is not Compression.NONE])
@pytest.mark.parametrize("format_", FORMATS)
def test_dciodvfy_takes_packed_pixels(compression: Compression, format_: ObjectFormat, tmp_path: Path) -> None:
    for file in files_of("large", tmp_path, format_, compression):
        assert dciodvfy(file) == []


@pytest.mark.peer("dciodvfy")
@pytest.mark.parametrize("keyword", ["ImagePositionPatient", "PixelSpacing", "ImageType", "ScanningSequence"])
def test_dciodvfy_sees_a_planted_error(keyword: str, tmp_path: Path) -> None:
    ds = build_series(scans.images(), scans.header(), scans.plan())[0]
    delattr(ds, keyword)
    (tmp_path / "broken.dcm").write_bytes(*encode_series([ds]))
    assert any("Error" in line for line in dciodvfy(tmp_path / "broken.dcm"))


def test_every_allowed_warning_has_a_reason() -> None:
    assert all(len(reason.split()) > 5 for reason in ALLOWED_WARNINGS.values())


@pytest.mark.peer("dcentvfy")
def test_dcentvfy_finds_one_patient_study_and_frame_of_reference(tmp_path: Path) -> None:
    names = ["oblique", "3D", "kind phase", "kind g-factor", "dynamic", "learned"]
    files = [
        file
        for index, name in enumerate(names)
        for format_ in FORMATS
        for file in files_of(name, tmp_path, format_, index=index)
    ]
    assert dcentvfy(files) == []


@pytest.mark.peer("dcentvfy")
def test_dcentvfy_sees_two_names_of_one_patient(tmp_path: Path) -> None:
    first, *rest = files_of("oblique", tmp_path, ObjectFormat.CLASSIC)
    ds = dcmread(first)
    ds.PatientName = "Somebody^Else"
    ds.save_as(first)
    assert dcentvfy([first, *rest])


def test_dicom_validator_finds_no_fault_without_a_network(tmp_path: Path) -> None:
    files = [
        files_of(name, tmp_path / str(number), format_)[0]
        for number, name in enumerate(VARIANTS)
        for format_ in FORMATS
        if (name, format_) != EXTENDED
    ]
    assert validate_iods(files) == ""


def test_dicom_validator_sees_a_planted_fault(tmp_path: Path) -> None:
    ds = build_series(scans.images(), scans.header(), scans.plan())[0]
    del ds.PixelSpacing
    (tmp_path / "broken.dcm").write_bytes(*encode_series([ds]))
    assert "(0028,0030)" in validate_iods([tmp_path / "broken.dcm"])


def test_the_tables_of_highdicom_miss_nothing_and_know_every_attribute(tmp_path: Path) -> None:
    files = [
        files_of(name, tmp_path / str(number), format_)[-1]
        for number, name in enumerate(VARIANTS)
        for format_ in FORMATS
    ]
    assert highdicom_tables(files) == (True, {"DiffusionBValue", "DiffusionGradientOrientation"})
