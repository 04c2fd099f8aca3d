"""What the MRD header says about patient, study, series and scanner, as attributes of a DICOM series (PS3.3 A.4.3).

Type 2 attributes that are unknown stay empty, type 3 are left out; nothing is invented.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from pydicom.dataset import Dataset

from gateway import __version__
from gateway.dicom import values
from gateway.dicom.anatomy import BODY_PARTS
from gateway.model.header import Measurement, ScanHeader, Study, Subject, System
from gateway.model.ids import derive_uid
from gateway.model.projects import Option

PRODUCT = "MRI Reconstruction Gateway"

PATIENT_POSITIONS = frozenset({"HFS", "HFP", "HFDR", "HFDL", "FFS", "FFP", "FFDR", "FFDL"})

SEXES = {"M": "M", "MALE": "M", "F": "F", "FEMALE": "F", "O": "O", "OTHER": "O"}

SIDES = {"LEFT": "L", "RIGHT": "R"}
"""Words of a body part that name its side, to Laterality."""

SERIES_PER_SCAN = 100
"""The scanner's series 4 becomes ours 401, 402, ..., which no scanner numbers so."""

UNNUMBERED = 900
"""Stands for the scanner's series number where it sent none."""

_HEAVIEST_KG, _TALLEST_M = 700.0, 3.0


def put_known(ds: Dataset, **attributes: object) -> None:
    """Set the type 3 attributes that are known."""
    for keyword, value in attributes.items():
        if value is not None:
            setattr(ds, keyword, value)


def put_patient(ds: Dataset, subject: Subject, study_date: str | None) -> None:
    """Fill the Patient and Patient Study modules (C.7.1.1, C.7.2.2)."""
    ds.PatientName = values.person_name(subject.patient_name)
    ds.PatientID = values.identifier(subject.patient_id)
    ds.PatientBirthDate = values.calendar_date(subject.birth_date)
    ds.PatientSex = SEXES.get((subject.sex or "").strip().upper())
    put_known(
        ds,
        PatientWeight=_below(_HEAVIEST_KG, subject.weight_kg),
        PatientSize=_below(_TALLEST_M, subject.height_m),
        PatientAge=subject.age or values.age(ds.PatientBirthDate or None, values.calendar_date(study_date)),
    )


def _below(limit: float, value: float | None) -> str | None:
    return values.decimal(value, positive=True) if value is not None and value < limit else None


def put_study(ds: Dataset, study: Study, *, recording_digest: str) -> None:
    """Fill the General Study module (C.7.2.1); without a valid UID the recording is a study of its own."""
    ds.StudyInstanceUID = values.uid(study.instance_uid) or derive_uid("study", recording_digest)
    ds.StudyDate = values.calendar_date(study.date)
    ds.StudyTime = values.time_of_day(study.time)
    ds.ReferringPhysicianName = values.person_name(study.referring_physician)
    ds.StudyID = values.identifier(study.study_id, values.SHORT)
    ds.AccessionNumber = values.identifier(study.accession_number, values.SHORT)
    put_known(ds, StudyDescription=values.text(study.description))


def put_series(ds: Dataset, header: ScanHeader, *, recording_digest: str, output_index: int) -> None:
    """Fill the General Series and Frame of Reference modules (C.7.3.1, C.7.4.1), but for UID and description."""
    measurement = header.measurement
    ds.Modality = "MR"
    ds.SeriesNumber = series_number(measurement, output_index)
    ds.PatientPosition = values.one_of(measurement.patient_position, PATIENT_POSITIONS)
    ds.FrameOfReferenceUID = values.uid(measurement.frame_of_reference_uid) or derive_uid("frame", recording_digest)
    ds.PositionReferenceIndicator = None
    put_known(
        ds,
        SeriesDate=values.calendar_date(measurement.series_date),
        SeriesTime=values.time_of_day(measurement.series_time),
        AcquisitionDate=values.calendar_date(measurement.series_date),
        ProtocolName=values.text(measurement.protocol_name),
        SequenceName=values.text(measurement.sequence_name, values.SHORT),
    )
    _put_body_part(ds, header.study.body_part)


def series_number(measurement: Measurement, output_index: int) -> int:
    """Choose a number out of the way of the scanner's own."""
    scanners = measurement.initial_series_number or 0
    known = 0 < scanners < 2**31 // SERIES_PER_SCAN - 1
    return SERIES_PER_SCAN * (scanners if known else UNNUMBERED) + output_index + 1


def _put_body_part(ds: Dataset, body_part: str | None) -> None:
    """Tell part and side apart; an unknown side is empty, and absent where there is only one of the part (type 2C)."""
    part, side = part_and_side(body_part)
    put_known(ds, BodyPartExamined=part)
    if (known := BODY_PARTS.get(part or "")) is None or known.paired:
        ds.Laterality = side


def part_and_side(body_part: str | None) -> tuple[str | None, str | None]:
    """Read a body part as Body Part Examined and Laterality, each where it is told."""
    words = re.findall(r"[A-Z0-9]+", (body_part or "").upper())
    sides = {SIDES[word] for word in words if word in SIDES}
    part = values.code("".join(word for word in words if word not in SIDES))
    return part, sides.pop() if len(sides) == 1 else None


def put_equipment(ds: Dataset, system: System) -> None:
    """Name the gateway as the equipment that made the images (C.7.5.1) and the scanner as a contributor (C.12.1)."""
    ds.Manufacturer = PRODUCT
    ds.ManufacturerModelName = PRODUCT
    ds.SoftwareVersions = __version__
    put_known(
        ds,
        InstitutionName=values.text(system.institution_name),
        StationName=values.text(system.station_name, values.SHORT),
    )
    vendor = values.text(system.vendor)
    if vendor is not None:
        ds.ContributingEquipmentSequence = [_scanner(system, vendor)]


def contributor(code: str, meaning: str) -> Dataset:
    """Begin an item of the Contributing Equipment Sequence with its purpose (CID 7005)."""
    item = Dataset()
    item.PurposeOfReferenceCodeSequence = [code_item("DCM", code, meaning)]
    return item


def code_item(scheme: str, code: str, meaning: str) -> Dataset:
    """Make an item of a code sequence (PS3.3 8.8)."""
    item = Dataset()
    item.CodeValue = code
    item.CodingSchemeDesignator = scheme
    item.CodeMeaning = meaning
    return item


def _scanner(system: System, vendor: str) -> Dataset:
    item = contributor("109101", "Acquisition Equipment")
    item.Manufacturer = vendor
    put_known(
        item,
        InstitutionName=values.text(system.institution_name),
        StationName=values.text(system.station_name, values.SHORT),
        ManufacturerModelName=values.text(system.model),
        DeviceSerialNumber=values.identifier(system.device_serial) or values.identifier(system.device_id),
    )
    return item


def put_deidentification(ds: Dataset, options: Sequence[Option]) -> None:
    """Say that the patient was taken out, and by which rules (PS3.3 C.7.1.1, C.12.1; PS3.16 CID 7050)."""
    ds.PatientIdentityRemoved = "YES"
    ds.DeidentificationMethodCodeSequence = [code_item("DCM", *METHODS[one]) for one in (None, *options)]
    ds.LongitudinalTemporalInformationModified = "MODIFIED" if Option.MODIFIED_DATES in options else "REMOVED"


METHODS: Mapping[Option | None, tuple[str, str]] = MappingProxyType(
    {
        None: ("113100", "Basic Application Confidentiality Profile"),
        Option.CLEAN_DESCRIPTORS: ("113105", "Clean Descriptors Option"),
        Option.MODIFIED_DATES: ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
        Option.PATIENT_CHARACTERISTICS: ("113108", "Retain Patient Characteristics Option"),
        Option.DEVICE: ("113109", "Retain Device Identity Option"),
        Option.INSTITUTION: ("113112", "Retain Institution Identity Option"),
    }
)
"""By option; the profile itself is always one of them."""


def put_quality(ds: Dataset) -> None:
    """Say what everything from here is: research use, no burned-in text, nothing lossy."""
    ds.ContentQualification = "RESEARCH"
    ds.QualityControlImage = "NO"
    ds.BurnedInAnnotation = "NO"
    ds.LossyImageCompression = "00"


def put_character_set(ds: Dataset) -> None:
    """Declare UTF-8 where any text needs it."""
    texts = (str(element.value) for element in ds.iterall() if element.VR in {"PN", "LO", "SH", "LT", "ST"})
    if not all(text.isascii() for text in texts):
        ds.SpecificCharacterSet = "ISO_IR 192"
