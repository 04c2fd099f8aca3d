"""Images without an orientation are held, or sent as what they are; no viewer is told a left and a right."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from gateway.dicom.capture import SENTENCE
from gateway.dicom.encoding import encode_series
from gateway.dicom.series import build_series
from gateway.dicom.store import store
from gateway.model.errors import BadScan
from gateway.model.form import ObjectFormat
from gateway.model.image import ImageKind, ImageSeries, Vector
from tests.dicom import scans
from tests.dicom.checkers import complaints, highdicom_tables
from tests.dicom.outbox import pacs, written
from tests.dicom.variants import MODEL, many, of_kind
from tests.peers import Orthanc

NOWHERE: Vector = (0.0, 0.0, 0.0)


def lost(images: ImageSeries) -> ImageSeries:
    """The same images from a scanner that sends zeros for every direction."""
    frames = (replace(frame, read_dir=NOWHERE, phase_dir=NOWHERE, slice_dir=NOWHERE) for frame in images.frames)
    return replace(images, frames=tuple(frames))


def build(images: ImageSeries, format_: ObjectFormat = ObjectFormat.CLASSIC) -> list[Dataset]:
    plan = replace(scans.plan(), mark_unknown_direction=True, format=format_, model=images.model)
    return [dcmread(BytesIO(content)) for content in encode_series(build_series(images, scans.header(), plan))]


@pytest.mark.parametrize("format_", list(ObjectFormat))
def test_without_a_rule_that_says_otherwise_they_are_held(format_: ObjectFormat) -> None:
    with pytest.raises(BadScan, match=r"no orientation.*unknown_direction = \"mark\"") as fault:
        build_series(lost(scans.images()), scans.header(), replace(scans.plan(), format=format_))
    assert fault.value.held


@pytest.mark.parametrize("format_", list(ObjectFormat))
def test_no_object_says_where_it_lies(format_: ObjectFormat) -> None:
    for ds in build(lost(scans.images()), format_):
        for keyword in ("ImageOrientationPatient", "ImagePositionPatient", "SliceLocation", "FrameOfReferenceUID"):
            assert keyword not in ds
        assert ds["PatientOrientation"].is_empty
        assert "PatientPosition" not in ds
        assert ds.SeriesDescription.endswith(" [no orientation]")
        assert ds.ImageComments.startswith(SENTENCE)


def test_pixels_window_and_spacing_are_those_that_they_would_have() -> None:
    known = [dcmread(BytesIO(c)) for c in encode_series(build_series(scans.images(), scans.header(), scans.plan()))]
    for ds, truth in zip(build(lost(scans.images())), known, strict=True):
        np.testing.assert_array_equal(ds.pixel_array, truth.pixel_array)
        assert (ds.WindowCenter, ds.WindowWidth) == (truth.WindowCenter, truth.WindowWidth)
        assert ds.PixelSpacing == truth.PixelSpacing


def test_they_come_in_the_order_of_their_counters() -> None:
    images = lost(many("contrast", "repetition"))
    shuffled = np.random.default_rng(1).permutation(len(images.frames))
    mixed = replace(images, frames=tuple(images.frames[n] for n in shuffled), pixels=images.pixels[shuffled])
    once, again = build(images), build(mixed)
    assert [ds.pixel_array.tolist() for ds in once] == [ds.pixel_array.tolist() for ds in again]
    assert [ds.InstanceNumber for ds in again] == list(range(1, len(images.frames) + 1))


@pytest.mark.parametrize(
    "broken",
    [
        {"read_dir": (1.0, 0.0, 0.0)},
        {"phase_dir": (float("nan"), 0.0, 0.0)},
        {"slice_dir": (0.0, 0.0, 1e-20)},
    ],
)
def test_directions_of_which_some_are_there_are_malformed_and_not_missing(broken: dict[str, Any]) -> None:
    images = lost(scans.images())
    first, *rest = images.frames
    with pytest.raises(BadScan, match="no unit vector"):
        build(replace(images, frames=(replace(first, **broken), *rest)))


def test_one_image_without_a_direction_among_others_is_malformed() -> None:
    images = scans.images()
    frames = (*images.frames[:-1], lost(images).frames[-1])
    with pytest.raises(BadScan):
        build(replace(images, frames=frames))


@pytest.mark.peer("dciodvfy")
@pytest.mark.parametrize("name", ["magnitude", "phase", "learned"])
def test_checkers_have_nothing_to_say(name: str, tmp_path: Path) -> None:
    images = {
        "magnitude": scans.images(),
        "phase": of_kind(ImageKind.PHASE),
        "learned": replace(scans.images(), model=MODEL),
    }[name]
    for number, content in enumerate(encode_series(build(lost(images)))):
        path = tmp_path / f"{number}.dcm"
        path.write_bytes(content)
        assert complaints("/usr/bin/dciodvfy", "-new", path).split() == ["0", "SCImage"]
    assert highdicom_tables(list(tmp_path.iterdir())) == (True, set())


@pytest.mark.peer("Orthanc")
def test_orthanc_takes_them(orthanc: Orthanc, tmp_path: Path) -> None:
    plan = replace(scans.plan(), mark_unknown_direction=True)
    series = written(tmp_path, lost(scans.images()), plan=plan)
    store(series, pacs(orthanc.dicom_port, orthanc.ae_title), lambda _instance, _status: None)
    assert len(orthanc.get("/instances")) == 3
