"""Every image of a learned reconstruction says so in four places; a conventional one in none."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

from pydicom import dcmread
from pydicom.dataset import Dataset

from gateway.dicom.encoding import encode_series
from gateway.dicom.series import build_series
from gateway.model.learned import LearnedModel
from tests.dicom import scans
from tests.dicom.variants import MODEL


def build(model: LearnedModel | None, description: str = "t2_tse_tra varnet") -> list[Dataset]:
    plan = replace(scans.plan(), model=model, description=description)
    return [dcmread(BytesIO(f)) for f in encode_series(build_series(scans.images(), scans.header(), plan))]


def test_each_image_is_marked_in_four_places() -> None:
    for ds in build(MODEL):
        assert ds.SeriesDescription == "t2_tse_tra varnet [AI]"
        assert list(ds.ImageType) == ["ORIGINAL", "PRIMARY", "OTHER", "M", "DLRECON"]
        assert "varnet-knee 2.1" in ds.ImageComments
        assert MODEL.weights_sha256 in ds.ImageComments
        scanner, network = ds.ContributingEquipmentSequence
        assert scanner.PurposeOfReferenceCodeSequence[0].CodeValue == "109101"
        assert network.PurposeOfReferenceCodeSequence[0].CodeValue == "109102"
        assert (network.ManufacturerModelName, network.SoftwareVersions) == ("varnet-knee", "2.1")
        assert MODEL.weights_sha256 in network.ContributionDescription
        assert "Knee, 4x, 3 T." in network.ContributionDescription


def test_what_the_reader_should_know_is_still_there() -> None:
    assert build(MODEL)[0].ImageComments.endswith("Reconstructed by fft.")


def test_a_conventional_series_carries_no_mark() -> None:
    for ds in build(None):
        text = str(ds)
        assert not any(mark in text for mark in ("[AI]", "DLRECON", "109102", "neural"))


def test_the_mark_in_the_name_survives_a_long_name() -> None:
    name = build(MODEL, "x" * 64)[0].SeriesDescription
    assert name.endswith(" [AI]")
    assert len(name) == 64
