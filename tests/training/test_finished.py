"""Finished images teach where nothing else is at hand: only where it is said, and the card says what that is worth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file

from gateway.dicom.magnitudes import is_dicom, read_magnitudes
from gateway.model.errors import UnreadableFile, WrongCall
from gateway.model.training_data import ImageData
from gateway.training.sources import source_of
from tests.training.plans import plan, run


def _mr() -> Dataset:
    """Read pydicom's own small MR image."""
    found = get_testdata_file("MR_small.dcm")
    assert isinstance(found, str)
    return dcmread(found)


def _put(path: Path, change: Callable[[Dataset], object] = lambda _: None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    ds = _mr()
    change(ds)
    ds.save_as(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An export as PACS write it: folders in folders, no suffixes, and a file that is something else."""
    _put(tmp_path / "DICOM" / "S1" / "IM0001")
    _put(tmp_path / "DICOM" / "S2" / "IM0001")
    (tmp_path / "DICOM" / "VERSION").write_text("export of yesterday")
    return tmp_path / "DICOM"


def test_dicom_is_refused_unless_asked_for(folder: Path) -> None:
    with pytest.raises(WrongCall, match=r"IM0001 has no phase: what is learned from magnitudes flatters; say"):
        source_of(ImageData(paths=(folder,)))
    full = source_of(ImageData(paths=(folder,), magnitude=True, n_coils=(5,)))(np.random.default_rng(1))
    assert full.data.shape == (5, 32, 32)


def test_values_are_those_that_a_viewer_shows(tmp_path: Path) -> None:
    def rescaled(ds: Dataset) -> None:
        ds.RescaleSlope, ds.RescaleIntercept = "2.5", "10"

    plain = read_magnitudes(_put(tmp_path / "a.dcm"))
    assert plain.shape == (1, 64, 64)
    np.testing.assert_array_equal(plain[0], _mr().pixel_array)
    np.testing.assert_allclose(read_magnitudes(_put(tmp_path / "b.dcm", rescaled)), 2.5 * plain + 10)


@pytest.mark.parametrize(
    "name", ["MR_small_RLE", "MR_small_jpeg_ls_lossless", "MR_small_jp2klossless", "MR_small_bigendian"]
)
def test_packed_images_are_the_same_images(name: str, shared_data: Path) -> None:
    packed = read_magnitudes(shared_data / "dicom" / f"{name}.dcm")
    np.testing.assert_array_equal(packed, read_magnitudes(shared_data / "dicom" / "MR_small.dcm"))


def _phase(ds: Dataset) -> None:
    ds.ImageType = ["ORIGINAL", "PRIMARY", "P", "ND"]


def _computed(ds: Dataset) -> None:
    ds.Modality = "CT"


def _colour(ds: Dataset) -> None:
    ds.PhotometricInterpretation = "MONOCHROME1"


def _cut(ds: Dataset) -> None:
    ds.PixelData = ds.PixelData[:100]


def _without(ds: Dataset) -> None:
    del ds.PixelData


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_phase, "shows no magnitude but P"),
        (_computed, "is no MR image"),
        (_colour, "is no grey image"),
        (_cut, "its pixels cannot be read"),
        (_without, "has no pixels"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_is_no_magnitude_of_mr_is_refused_by_name(
    tmp_path: Path, change: Callable[[Dataset], object], why: str
) -> None:
    file = _put(tmp_path / "x.dcm", change)
    with pytest.raises(UnreadableFile, match=why) as refused:
        source_of(ImageData(paths=(file,), magnitude=True))
    assert str(_mr().PatientName) not in str(refused.value)


def test_a_folder_of_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("no image")
    assert not is_dicom(tmp_path / "readme.txt")
    with pytest.raises(WrongCall, match="has no images"):
        source_of(ImageData(paths=(tmp_path,), magnitude=True))


def test_the_card_says_that_it_flatters(folder: Path, tmp_path: Path) -> None:
    images = {"kind": "images", "magnitude": True, "n_coils": [4]}
    chosen = plan(
        data=[{**images, "paths": [str(folder / "S1")]}],
        validation=[{**images, "paths": [str(folder / "S2")]}],
        fit={"steps": 2},
    )
    card = run(chosen, tmp_path / "run").card
    assert card.trained_on.synthetic
    assert "flatter" in card.trained_on.caveat
