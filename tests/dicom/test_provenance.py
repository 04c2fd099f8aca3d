"""The page of attributes says where each comes from, as the code has it."""

from __future__ import annotations

import re

import pytest

from gateway.dicom.provenance import SAMPLES, SEQUENCE_PATHS, attribute_page
from gateway.mrd.header_paths import FIELDS

WITHOUT_ATTRIBUTE = {
    "acquisitionSystemInformation/deviceID": "stands for the serial number only where there is none",
    "measurementInformation/measurementID": "names no series: UIDs derive from the recording",
    "measurementInformation/seriesDescription": "the rule's text takes its place",
}


@pytest.fixture(scope="module")
def page() -> str:
    return attribute_page(FIELDS)


@pytest.mark.parametrize(
    ("attribute", "source"),
    [
        ("PatientName", "`subjectInformation/patientName`, PACS or worklist"),
        ("AccessionNumber", "`studyInformation/accessionNumber`, PACS or worklist"),
        ("IssuerOfPatientID", "PACS or worklist"),
        ("SeriesNumber", "`measurementInformation/initialSeriesNumber`, routes"),
        ("MagneticFieldStrength", "`acquisitionSystemInformation/systemFieldStrength_T`"),
        ("ContentDate", "arrival"),
        ("TimezoneOffsetFromUTC", "arrival"),
        ("Manufacturer", "constant"),
        ("ImagePositionPatient", "images"),
    ],
)
def test_a_source_that_we_know_is_found(page: str, attribute: str, source: str) -> None:
    classic = page.partition("## Enhanced")[0]
    assert re.findall(rf"\) \| {attribute} \| \w\w \| (.*) \|", classic) == [source]


def test_every_field_of_the_header_that_is_tried_has_its_attribute(page: str) -> None:
    for section, fields in SAMPLES.items():
        for field in fields:
            path = FIELDS[section][field][0] if section in FIELDS else SEQUENCE_PATHS[field]
            assert (f"`{path}`" in page) == (path not in WITHOUT_ATTRIBUTE), path


def test_every_field_that_is_read_is_tried() -> None:
    silent = {"noise_bandwidth", "receiver_channels"}
    silent |= {"table_x_mm", "table_y_mm", "table_z_mm"}  # the rule moves the images by these before they are objects
    assert {field for fields in FIELDS.values() for field in fields} - silent <= {
        field for fields in SAMPLES.values() for field in fields
    }
