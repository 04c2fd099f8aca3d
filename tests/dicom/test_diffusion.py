"""An image says how it was weighted by diffusion, where the header says it, and nothing where it does not."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from gateway.dicom.series import build_series
from gateway.model.form import ObjectFormat
from gateway.model.header import Diffusion, ScanHeader
from gateway.model.image import ImageKind, ImageSeries
from tests.dicom import scans
from tests.dicom.checkers import complaints
from tests.dicom.variants import VARIANTS, WEIGHTINGS, header_with, many, of_kind, written

SLICES = 3


def objects(images: ImageSeries, header: ScanHeader, format_: ObjectFormat = ObjectFormat.CLASSIC) -> list[Dataset]:
    return build_series(images, header, replace(scans.plan(), format=format_))


def told(ds: Dataset) -> tuple[float | None, list[float] | None]:
    direction = ds.get("DiffusionGradientOrientation")
    return ds.get("DiffusionBValue"), None if direction is None else list(direction)


@pytest.mark.parametrize("counter", ["repetition", "set", "contrast", "phase"])
def test_every_image_says_its_own_weighting_by_whatever_counter(counter: str) -> None:
    header = header_with(diffusion_dimension=counter, diffusion=WEIGHTINGS)
    datasets = objects(many(counter), header)
    expected = [(0.0, None), (1000.0, [1.0, 0.0, 0.0]), (1000.0, [0.0, 0.6, -0.8])]
    assert [told(ds) for ds in datasets] == [each for each in expected for _ in range(SLICES)]
    (enhanced,) = objects(many(counter), header, ObjectFormat.ENHANCED)
    items = [frame.MRDiffusionSequence[0] for frame in enhanced.PerFrameFunctionalGroupsSequence]
    assert [item.DiffusionBValue for item in items] == [b for b, _ in expected for _ in range(SLICES)]
    assert [item.DiffusionDirectionality for item in items[::SLICES]] == ["NONE", "DIRECTIONAL", "DIRECTIONAL"]
    gradients = [item.DiffusionGradientDirectionSequence[0] for item in items[SLICES::SLICES]]
    assert [list(one.DiffusionGradientOrientation) for one in gradients] == [d for _, d in expected[1:]]
    assert enhanced.AcquisitionContrast == "DIFFUSION"


def test_a_direction_has_the_length_one() -> None:
    weighted = Diffusion(b_value_s_per_mm2=700.0, direction=(3.0, -4.0, 12.0))
    ds = objects(scans.images(), header_with(diffusion=(weighted,)))[0]
    assert math.hypot(*ds.DiffusionGradientOrientation) == pytest.approx(1, abs=1e-15)
    np.testing.assert_allclose(ds.DiffusionGradientOrientation, np.array([3, -4, 12]) / 13)


@pytest.mark.parametrize(
    ("dimension", "listed"),
    [(None, ()), ("repetition", ()), (None, WEIGHTINGS), ("average", WEIGHTINGS), ("user_0", WEIGHTINGS)],
)
def test_nothing_is_said_of_what_is_not_known(dimension: str | None, listed: tuple[Diffusion, ...]) -> None:
    header = header_with(diffusion_dimension=dimension, diffusion=listed)
    assert {told(ds) for ds in objects(many("repetition"), header)} == {(None, None)}
    (enhanced,) = objects(many("repetition"), header, ObjectFormat.ENHANCED)
    assert not any("MRDiffusionSequence" in frame for frame in enhanced.PerFrameFunctionalGroupsSequence)


def test_a_weighting_that_is_missing_from_the_list_is_not_made_up() -> None:
    header = header_with(diffusion_dimension="repetition", diffusion=WEIGHTINGS[:2])
    assert [told(ds)[0] for ds in objects(many("repetition"), header)[::SLICES]] == [0.0, 1000.0, None]


def test_a_weight_without_a_direction_says_no_direction() -> None:
    (ds, *_) = objects(scans.images(), header_with(diffusion=(Diffusion(b_value_s_per_mm2=800.0),)))
    assert told(ds) == (800.0, None)


@pytest.mark.parametrize("format_", list(ObjectFormat))
def test_a_map_of_all_weightings_has_none(format_: ObjectFormat) -> None:
    header = header_with(diffusion_dimension="repetition", diffusion=WEIGHTINGS)
    assert "DiffusionBValue" not in str(objects(of_kind(ImageKind.ADC), header, format_)[0])


@pytest.mark.peer("dcm2niix")
@pytest.mark.parametrize("format_", list(ObjectFormat))
def test_dcm2niix_reads_the_b_values_and_directions_of_the_header(format_: ObjectFormat, tmp_path: Path) -> None:
    written("diffusion", tmp_path / "dicom", format_)
    (tmp_path / "nifti").mkdir()
    said = complaints("/usr/bin/dcm2niix", "-o", tmp_path / "nifti", "-f", "x", tmp_path / "dicom")
    assert said.startswith("0\n"), said
    assert (tmp_path / "nifti" / "x.bval").read_text().split() == ["0", "1000", "1000"], said
    vectors = np.loadtxt(tmp_path / "nifti" / "x.bvec").T
    expected = np.array([weighted.direction for weighted in WEIGHTINGS])
    np.testing.assert_allclose(np.abs(vectors), np.abs(expected), atol=1e-6)
    assert VARIANTS["diffusion"][1].sequence.diffusion == WEIGHTINGS
