"""An Enhanced MR object says the same as the classic series, frame by frame, and invents nothing."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset

from gateway.dicom.encoding import encode_series
from gateway.dicom.enhanced import LARGEST_BYTES
from gateway.dicom.picture import png_of
from gateway.dicom.series import build_series
from gateway.dicom.store import store
from gateway.model.errors import ImageRefused, PeerRefused
from gateway.model.form import ObjectFormat
from gateway.model.header import ScanHeader
from gateway.model.image import ImageSeries
from tests.dicom import scans
from tests.dicom.checkers import complaints
from tests.dicom.outbox import pacs
from tests.dicom.scripted import scripted_pacs
from tests.dicom.variants import MODEL, VARIANTS, header_with, many, oblique_stack, written
from tests.peers import Orthanc

NAMES = [name for name in VARIANTS if name != "localizer"]


def build(images: ImageSeries, header: ScanHeader, format_: ObjectFormat = ObjectFormat.ENHANCED) -> list[Dataset]:
    plan = replace(scans.plan(), format=format_, model=images.model)
    return [dcmread(BytesIO(content)) for content in encode_series(build_series(images, header, plan))]


def frames_of(ds: Dataset) -> list[dict[str, Dataset]]:
    """The functional groups of each frame, shared ones too, by keyword."""
    (shared,) = ds.SharedFunctionalGroupsSequence
    return [
        {element.keyword: element.value[0] for groups in (shared, own) for element in groups}
        for own in ds.PerFrameFunctionalGroupsSequence
    ]


@pytest.mark.parametrize("name", NAMES)
def test_every_frame_is_an_image_of_the_classic_series(name: str) -> None:
    classic, (enhanced,) = build(*VARIANTS[name], ObjectFormat.CLASSIC), build(*VARIANTS[name])
    pixels = enhanced.pixel_array.reshape(-1, enhanced.Rows, enhanced.Columns)
    assert enhanced.NumberOfFrames == len(classic)
    for one, frame, values in zip(classic, frames_of(enhanced), pixels, strict=True):
        np.testing.assert_array_equal(one.pixel_array, values)
        assert one.ImagePositionPatient == frame["PlanePositionSequence"].ImagePositionPatient
        assert one.ImageOrientationPatient == frame["PlaneOrientationSequence"].ImageOrientationPatient
        assert one.PixelSpacing == frame["PixelMeasuresSequence"].PixelSpacing
        assert one.get("SpacingBetweenSlices") == frame["PixelMeasuresSequence"].get("SpacingBetweenSlices")
        assert one.WindowWidth == frame["FrameVOILUTSequence"].WindowWidth
        assert one.EchoTime == frame.get("MREchoSequence", Dataset()).get("EffectiveEchoTime")
        trigger = frame.get("CardiacSynchronizationSequence", Dataset()).get("NominalCardiacTriggerDelayTime")
        assert one.get("TriggerTime") == trigger
        assert one.get("RealWorldValueMappingSequence") == (
            [mapping] if (mapping := frame.get("RealWorldValueMappingSequence")) is not None else None
        )


@pytest.mark.parametrize("name", NAMES)
def test_it_is_another_series_of_the_same_study(name: str) -> None:
    classic, (enhanced,) = build(*VARIANTS[name], ObjectFormat.CLASSIC), build(*VARIANTS[name])
    assert enhanced.StudyInstanceUID == classic[0].StudyInstanceUID
    assert enhanced.FrameOfReferenceUID == classic[0].FrameOfReferenceUID
    assert enhanced.SeriesInstanceUID != classic[0].SeriesInstanceUID
    assert enhanced.SeriesNumber != classic[0].SeriesNumber
    assert enhanced.SOPInstanceUID not in {ds.SOPInstanceUID for ds in classic}


@pytest.mark.parametrize("name", NAMES)
def test_the_places_along_the_dimensions_are_unique_and_in_the_order_of_the_frames(name: str) -> None:
    (ds,) = build(*VARIANTS[name])
    places = [tuple(np.ravel(frame["FrameContentSequence"].DimensionIndexValues)) for frame in frames_of(ds)]
    assert places == sorted(places)
    assert len(set(places)) == len(places)
    assert all(len(place) == len(ds.DimensionIndexSequence) for place in places)
    for column in zip(*places, strict=True):
        assert set(column) == set(range(1, max(column) + 1))


@pytest.mark.parametrize("name", NAMES)
def test_every_dimension_points_to_what_differs_with_it(name: str) -> None:
    (ds,) = build(*VARIANTS[name])
    for number, item in enumerate(ds.DimensionIndexSequence):
        group, pointer = keyword_for_tag(item.FunctionalGroupPointer), keyword_for_tag(item.DimensionIndexPointer)
        seen = {
            (np.ravel(frame["FrameContentSequence"].DimensionIndexValues)[number], frame[group][pointer].value)
            for frame in frames_of(ds)
        }
        assert len({place for place, _ in seen}) == len(seen) == len({value for _, value in seen})


@pytest.mark.parametrize(
    ("name", "flavor", "pointers"),
    [
        ("oblique", "VOLUME", ["StackID", "InStackPositionNumber"]),
        ("dynamic", "DYNAMIC", ["TemporalPositionIndex", "StackID", "InStackPositionNumber"]),
        ("cine", "CINE", ["NominalCardiacTriggerDelayTime", "StackID", "InStackPositionNumber"]),
        ("echoes", "MULTIECHO", ["EffectiveEchoTime", "StackID", "InStackPositionNumber"]),
        ("echoes without times", "MULTIECHO", ["FrameLabel", "StackID", "InStackPositionNumber"]),
        ("sets", "VOLUME", ["FrameLabel", "StackID", "InStackPositionNumber"]),
    ],
)
def test_dimensions_are_those_in_which_the_scan_was_repeated(name: str, flavor: str, pointers: list[str]) -> None:
    (ds,) = build(*VARIANTS[name])
    assert list(ds.ImageType) == ["DERIVED", "PRIMARY", flavor, "NONE"]
    assert [keyword_for_tag(item.DimensionIndexPointer) for item in ds.DimensionIndexSequence] == pointers


def test_what_is_the_same_for_all_frames_is_said_once() -> None:
    (ds,) = build(*VARIANTS["dynamic"])
    own = {element.keyword for groups in ds.PerFrameFunctionalGroupsSequence for element in groups}
    assert own == {"FrameContentSequence", "PlanePositionSequence"}


def test_planes_whose_matrix_differs_after_the_turn_are_objects_of_their_own() -> None:
    objects = build(*VARIANTS["localizer"])
    assert len(objects) > 1
    assert sum(int(ds.NumberOfFrames) for ds in objects) == 3
    assert len({ds.SOPInstanceUID for ds in objects}) == len({(ds.Rows, ds.Columns) for ds in objects}) == len(objects)
    assert [ds.InstanceNumber for ds in objects] == list(range(1, len(objects) + 1))


@pytest.mark.parametrize(
    ("body_part", "laterality", "code"),
    [
        ("BRAIN", "U", "12738006"),
        ("LEFT KNEE", "L", "72696002"),
        ("right knee", "R", "72696002"),
        ("KNEE", "U", "123037004"),
        (None, "U", "123037004"),
        ("?!", "U", "123037004"),
    ],
)
def test_the_region_is_named_and_never_the_side_of_a_pair_guessed(
    body_part: str | None, laterality: str, code: str
) -> None:
    (ds,) = build(scans.images(), scans.with_study(body_part=body_part))
    anatomy = frames_of(ds)[0]["FrameAnatomySequence"]
    assert (anatomy.FrameLaterality, anatomy.AnatomicRegionSequence[0].CodeValue) == (laterality, code)


def test_what_has_no_place_of_its_own_is_told_in_words() -> None:
    header = header_with(sequence_type="IR_TSE", inversion_time_ms=(150.0,))
    told = build(scans.images(), header)[0].ImageComments
    assert told == (
        "Reconstructed by fft. Repetition time 500 ms. Flip angle 150 degrees. Inversion time 150 ms. "
        "Pixel bandwidth 4166.67 Hz. Fewer lines by 1 times."
    )


def test_the_marks_of_a_network_fit_in() -> None:
    (ds,) = build(replace(scans.images(), model=MODEL), scans.header())
    assert ds.SeriesDescription.endswith(" [AI]")
    assert len(ds.ImageType) == 4
    assert MODEL.weights_sha256 in ds.ImageComments
    assert ds.ContributingEquipmentSequence[-1].PurposeOfReferenceCodeSequence[0].CodeValue == "109102"
    assert {frame["FrameContentSequence"].FrameComments for frame in frames_of(ds)} == {
        "neural network varnet-knee 2.1"
    }


def test_a_conventional_one_carries_no_mark() -> None:
    text = str(build(*VARIANTS["oblique"])[0])
    assert not any(mark in text for mark in ("[AI]", "DLRECON", "109102", "neural"))


def test_the_same_work_makes_the_same_bytes() -> None:
    plan = replace(scans.plan(), format=ObjectFormat.ENHANCED)
    once, again = (list(encode_series(build_series(*VARIANTS["dynamic"], plan))) for _ in range(2))
    assert once == again


def test_more_than_one_object_can_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert LARGEST_BYTES == 0xFFFFFFFE
    monkeypatch.setattr("gateway.dicom.enhanced.LARGEST_BYTES", 100)
    with pytest.raises(ImageRefused, match="send it as classic"):
        build(*VARIANTS["oblique"])


@pytest.mark.peer("dcm2niix")
@pytest.mark.parametrize("orientation", [0, 21, 34])
def test_dcm2niix_makes_the_same_volume_of_both(orientation: int, tmp_path: Path) -> None:
    images, _ = oblique_stack(3, orientation)
    volumes = []
    for format_ in ObjectFormat:
        source, target = tmp_path / format_, tmp_path / f"{format_}-nifti"
        source.mkdir()
        target.mkdir()
        plan = replace(scans.plan(), format=format_)
        for number, content in enumerate(encode_series(build_series(images, scans.header(), plan))):
            (source / f"{number}.dcm").write_bytes(content)
        said = complaints("/usr/bin/dcm2niix", "-o", target, "-f", "scan", "-b", "n", source)
        assert said.startswith("0"), said
        (path,) = target.glob("*.nii")
        volumes.append(nib.load(path))
    classic, enhanced = volumes
    np.testing.assert_array_equal(np.asanyarray(classic.dataobj), np.asanyarray(enhanced.dataobj))  # type: ignore[attr-defined]
    np.testing.assert_allclose(classic.affine, enhanced.affine, atol=1e-4)  # type: ignore[attr-defined]


@pytest.mark.peer("Orthanc")
def test_orthanc_keeps_it_beside_the_classic_series(orthanc: Orthanc, tmp_path: Path) -> None:
    destination = pacs(orthanc.dicom_port, orthanc.ae_title)
    for format_ in ObjectFormat:
        store(written("dynamic", tmp_path / format_, format_), destination, lambda _instance, _status: None)
    assert len(orthanc.get("/series")) == 2
    assert sorted(len(orthanc.get(f"/series/{name}")["Instances"]) for name in orthanc.get("/series")) == [1, 9]
    assert len(orthanc.get("/studies")) == 1


def test_a_pacs_without_the_class_refuses_the_whole_series(tmp_path: Path) -> None:
    series = written("oblique", tmp_path, ObjectFormat.ENHANCED)
    with (
        scripted_pacs(lambda _event: 0) as (port, _),
        pytest.raises(PeerRefused, match="accepts none"),
    ):
        store(series, pacs(port), lambda _instance, _status: None)


@pytest.mark.parametrize("format_", list(ObjectFormat))
@pytest.mark.parametrize("name", ["oblique", "localizer"])
def test_the_page_can_draw_it(name: str, format_: ObjectFormat, tmp_path: Path) -> None:
    for _, path in written(name, tmp_path, format_):
        drawn = Image.open(BytesIO(png_of(path)))
        assert np.asarray(drawn).max() > 200


def test_repetitions_are_counted_in_the_order_of_time() -> None:
    images = many("repetition")
    gap = tuple(replace(frame, repetition=3 * frame.repetition) for frame in images.frames)
    (ds,) = build(replace(images, frames=gap), scans.header())
    indices = [frame["FrameContentSequence"].TemporalPositionIndex for frame in frames_of(ds)]
    assert indices == [1, 1, 1, 2, 2, 2, 3, 3, 3]
