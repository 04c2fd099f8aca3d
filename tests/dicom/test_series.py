"""A series is valid to those who check it, right to those who read it, and the same whenever it is made again."""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from pydicom import config, dcmread, dcmwrite
from pydicom.dataset import Dataset

from gateway.dicom import values
from gateway.dicom.encoding import encode_series
from gateway.dicom.plan import SeriesPlan
from gateway.dicom.series import build_series, write_series
from gateway.model.errors import BadScan, ImageRefused, StorageFault
from gateway.model.header import ScanHeader, Sequence as MrSequence
from gateway.model.ids import IMPLEMENTATION_CLASS_UID
from gateway.model.image import Frame, ImageKind, ImageSeries
from gateway.model.series import Series
from tests.dicom import scans
from tests.dicom.checkers import complaints
from tests.dicom.scans import ORIENTATIONS
from tests.dicom.variants import VARIANTS, oblique_stack

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def build(
    images: ImageSeries | None = None, header: ScanHeader | None = None, plan: SeriesPlan | None = None
) -> list[Dataset]:
    return build_series(images or scans.images(), header or scans.header(), plan or scans.plan())


def write(outbox: Path, datasets: Sequence[Dataset] | None = None) -> Series:
    return write_series(datasets or build(), outbox, lambda _done, _of: None)


@pytest.mark.peer("dcm2niix")
@pytest.mark.parametrize("degrees", [0.0, 25.0], ids=["upright", "double oblique"])
def test_dcm2niix_finds_every_voxel_where_it_was_measured(degrees: float, tmp_path: Path) -> None:
    """All 48 orientations, a series each, in one run."""
    (tmp_path / "nifti").mkdir()
    stacks = []
    for orientation in range(48):
        stacks.append(oblique_stack(3, orientation, degrees))
        measurement = replace(scans.header().measurement, initial_series_number=orientation + 1)
        header = replace(scans.header(), measurement=measurement)
        write(tmp_path / "dicom", build(stacks[-1][0], header, replace(scans.plan(), rule=str(orientation))))
    said = complaints("/usr/bin/dcm2niix", "-o", tmp_path / "nifti", "-f", "%s", "-b", "n", tmp_path / "dicom")
    assert said.startswith("0"), said
    for orientation, (images, directions) in enumerate(stacks):
        _hold_against(tmp_path / "nifti" / f"{100 * (orientation + 1) + 1}.nii", images, directions)


@pytest.mark.peer("dcm2niix")
@pytest.mark.parametrize(("name", "shapes"), [("dynamic", [(3,)]), ("echoes", [(), (), ()]), ("cine", [(3,)])])
def test_dcm2niix_sees_time_as_a_dimension_and_echoes_as_volumes(
    name: str, shapes: list[tuple[int, ...]], tmp_path: Path
) -> None:
    (tmp_path / "nifti").mkdir()
    images, header = VARIANTS[name]
    write(tmp_path / "dicom", build(images, header))
    said = complaints("/usr/bin/dcm2niix", "-o", tmp_path / "nifti", "-f", "%s", "-b", "y", tmp_path / "dicom")
    assert said.startswith("0"), said
    found = sorted(nib.load(path).shape for path in (tmp_path / "nifti").glob("*.nii"))  # type: ignore[attr-defined]
    assert found == [(24, 16, 3, *more) for more in shapes]
    told = [json.loads(path.read_text()) for path in sorted((tmp_path / "nifti").glob("*.json"))]
    assert not any("MultibandAccelerationFactor" in one for one in told)


@pytest.mark.peer("dcm2niix")
def test_dcm2niix_sees_when_each_slice_was_measured(tmp_path: Path) -> None:
    """Its clock has the resolution of float32 seconds of the day."""
    (tmp_path / "nifti").mkdir()
    write(tmp_path / "dicom")
    said = complaints("/usr/bin/dcm2niix", "-o", tmp_path / "nifti", "-f", "x", "-b", "y", tmp_path / "dicom")
    told = json.loads((tmp_path / "nifti" / "x.json").read_text())
    assert told["SliceTiming"] == pytest.approx([0.0, 0.1, 0.2], abs=0.01), said
    assert "MultibandAccelerationFactor" not in told


def test_no_two_of_a_hundred_thousand_instances_share_a_uid() -> None:
    frame, plan = scans.images().frames[0], scans.plan()
    uids = {plan.instance_uid(frame, number) for number in range(100_000)}
    assert len(uids) == 100_000
    assert all(values.uid(uid) == uid for uid in uids)


def _hold_against(path: Path, images: ImageSeries, directions: npt.NDArray[np.float64]) -> None:
    image = nib.load(path)
    found, affine = np.asanyarray(image.dataobj), image.affine  # type: ignore[attr-defined]
    assert sorted(found.shape) == [7, 20, 32]
    world = LPS_TO_RAS @ affine @ np.stack([*np.indices(found.shape).reshape(3, -1), np.ones(found.size)])
    x, y, z = _voxels(world[:3], images, directions)
    assert max(np.abs(v - np.rint(v)).max() for v in (x, y, z)) < 1e-3
    truth = images.pixels / images.pixels.max() * 4095
    where = tuple(np.rint(v).astype(int) for v in (z, y, x))
    np.testing.assert_allclose(found.reshape(-1), truth[where], atol=0.51)


def _voxels(
    world: npt.NDArray[np.float64], images: ImageSeries, directions: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Invert MRD's own geometry: world to x, y, z of the pixels that were put in."""
    offset = world - np.asarray(images.frames[0].position_mm)[:, None]
    read, phase, through = directions
    x = read @ offset / images.spacing_mm.x + images.pixels.shape[2] // 2
    y = phase @ offset / images.spacing_mm.y + images.pixels.shape[1] // 2
    return np.stack([x, y, through @ offset / 5.5])


@pytest.mark.parametrize("shape", [(16, 24), (15, 23)])
def test_a_point_at_the_mrd_position_is_found_there(shape: tuple[int, int]) -> None:
    where = scans.frames(ORIENTATIONS[11] @ scans.rotation(np.random.default_rng(2), 30), centre_mm=(31.4, -15.9, 26.5))
    pixels = np.zeros((1, *shape), dtype=np.float32)
    pixels[0, shape[0] // 2, shape[1] // 2] = 1
    (built,) = build(scans.images(pixels, where))
    ds = dcmread(BytesIO(*encode_series([built])))
    row, column = np.argwhere(ds.pixel_array)[0]
    along_row, down_column = np.reshape(np.array(ds.ImageOrientationPatient, dtype=float), (2, 3))
    down, right = (float(step) for step in ds.PixelSpacing)
    found = np.array(ds.ImagePositionPatient, dtype=float) + column * right * along_row + row * down * down_column
    np.testing.assert_allclose(found, where[0].position_mm, atol=1e-4)


def test_instances_are_numbered_by_repetition_echo_and_place() -> None:
    base = scans.frames(np.eye(3), (10.0, 0.0, 5.0))
    where = tuple(
        replace(frame, repetition=repetition, contrast=echo)
        for frame in base
        for echo in (1, 0)
        for repetition in (0, 2)
    )
    datasets = build(scans.images(where=where))
    assert [ds.InstanceNumber for ds in datasets] == list(range(1, 13))
    order = [(ds.TemporalPositionIdentifier, ds.EchoNumbers, float(ds.SliceLocation)) for ds in datasets]
    assert order == sorted(order)
    assert len(set(order)) == 12
    assert {ds.NumberOfTemporalPositions for ds in datasets} == {2}
    assert {ds.AcquisitionNumber for ds in datasets} == {1, 3}
    assert {float(ds.SpacingBetweenSlices) for ds in datasets} == {5.0}


def test_each_slice_has_its_own_acquisition_time() -> None:
    assert len({ds.AcquisitionTime for ds in build()}) == 3


def test_spacing_is_not_thickness() -> None:
    ds = build()[0]
    assert (float(ds.SpacingBetweenSlices), float(ds.SliceThickness)) == (5.0, 4.0)


def test_a_conventional_series_carries_no_mark_of_a_learned_one() -> None:
    for ds in build():
        assert list(ds.ImageType) == ["ORIGINAL", "PRIMARY", "OTHER", "M"]
        assert [item.PurposeOfReferenceCodeSequence[0].CodeValue for item in ds.ContributingEquipmentSequence] == [
            "109101"
        ]
        assert ds.ContentQualification == "RESEARCH"
        assert "DerivationDescription" not in ds


def test_phase_is_a_phase_map() -> None:
    ds = build(replace(scans.images(), kind=ImageKind.PHASE))[0]
    assert list(ds.ImageType) == ["ORIGINAL", "PRIMARY", "PHASE MAP", "P"]
    assert (ds.PixelRepresentation, ds.BitsStored, ds.HighBit) == (1, 16, 15)


def test_a_file_is_what_pydicom_itself_would_write() -> None:
    built = build()
    for ds, content in zip(built, encode_series(built), strict=True):
        ours = dcmread(BytesIO(content))
        ds.file_meta = ours.file_meta
        theirs = BytesIO()
        dcmwrite(theirs, ds, enforce_file_format=True)
        assert content == theirs.getvalue()


def test_the_same_work_makes_the_same_bytes() -> None:
    assert list(encode_series(build())) == list(encode_series(build()))


@pytest.mark.parametrize(
    "other",
    [
        {"recording_digest": "cd" * 32},
        {"rule": "other"},
        {"recipe": "sense"},
        {"recipe_fingerprint": "4567"},
        {"output_index": 1},
    ],
)
def test_other_work_makes_another_series(other: dict[str, str]) -> None:
    plan = replace(scans.plan(), **other)  # type: ignore[arg-type]
    mine, others = build(), build(plan=plan)
    assert mine[0].SeriesInstanceUID != others[0].SeriesInstanceUID
    assert not {ds.SOPInstanceUID for ds in mine} & {ds.SOPInstanceUID for ds in others}
    assert mine[0].StudyInstanceUID == others[0].StudyInstanceUID


def test_instance_uids_are_unique_even_when_counters_are_not() -> None:
    where = tuple(replace(frame, slice=0) for frame in scans.frames(np.eye(3), (0.0, 5.0, 10.0)))
    assert len({ds.SOPInstanceUID for ds in build(scans.images(where=where))}) == 3


def test_frames_that_do_not_describe_the_pixels_are_refused() -> None:
    with pytest.raises(ImageRefused):
        build(replace(scans.images(), frames=scans.frames(np.eye(3))))


def test_a_frame_without_a_place_stops_the_whole_series() -> None:
    first, *rest = scans.images().frames
    lost = replace(first, read_dir=(0.0, 0.0, 0.0))
    with pytest.raises(BadScan):
        build(replace(scans.images(), frames=(lost, *rest)))


ANY = st.one_of(st.none(), st.text(max_size=120))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(ANY, min_size=16, max_size=16), number=st.one_of(st.none(), st.integers()), data=st.floats())
def test_no_header_can_make_an_illegal_object(
    texts: list[str | None], number: int | None, data: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config.settings, "writing_validation_mode", config.RAISE)
    t = iter(texts)
    base = scans.header()
    subject = replace(
        base.subject, patient_name=next(t), patient_id=next(t), birth_date=next(t), sex=next(t), weight_kg=data
    )
    study = replace(
        base.study,
        instance_uid=next(t),
        study_id=next(t),
        accession_number=next(t),
        description=next(t),
        body_part=next(t),
    )
    measurement = replace(
        base.measurement,
        initial_series_number=number,
        protocol_name=next(t),
        sequence_name=next(t),
        series_time=next(t),
    )
    system = replace(base.system, vendor=next(t), model=next(t), station_name=next(t), field_strength_t=data)
    sequence = MrSequence(
        sequence_type=next(t), repetition_time_ms=(data,), echo_time_ms=(data,), flip_angle_deg=(data,)
    )
    header = replace(base, subject=subject, study=study, measurement=measurement, system=system, sequence=sequence)
    first: Frame = scans.frames(np.eye(3))[0]
    (ds,) = build(scans.images(where=(first,)), header)
    assert list(encode_series([ds]))


def test_files_are_private_whole_and_named_by_number(tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    series = write_series(build(), tmp_path, lambda done, of: steps.append((done, of)))
    assert steps == [(1, 3), (2, 3), (3, 3)]
    assert [file.name for file in tmp_path.iterdir()] == [series.series_instance_uid]
    assert [instance.path for instance in series.instances] == [
        f"{series.series_instance_uid}/000{number}.dcm" for number in (1, 2, 3)
    ]
    for instance in series.instances:
        file = tmp_path / instance.path
        content = file.read_bytes()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (instance.sha256, instance.n_bytes)
        assert content[:132] == bytes(128) + b"DICM"
        ds = dcmread(file)
        assert ds.file_meta.ImplementationClassUID == IMPLEMENTATION_CLASS_UID
        assert ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID == instance.sop_instance_uid
        assert ds.pixel_array.max() <= 4095


def test_writing_again_changes_nothing(tmp_path: Path) -> None:
    first = write(tmp_path)
    before = (tmp_path / first.instances[0].path).stat().st_ino
    assert write(tmp_path) == first
    assert (tmp_path / first.instances[0].path).stat().st_ino == before
    assert len(list(tmp_path.iterdir())) == 1


def test_what_a_dead_attempt_left_is_replaced(tmp_path: Path) -> None:
    first = write(tmp_path)
    folder = tmp_path / first.series_instance_uid
    shutil.copytree(folder, tmp_path / f".{folder.name}.part")
    (folder / "0002.dcm").write_bytes(b"torn")
    assert write(tmp_path) == first
    assert sorted(file.name for file in folder.iterdir()) == ["0001.dcm", "0002.dcm", "0003.dcm"]
    assert hashlib.sha256((folder / "0002.dcm").read_bytes()).hexdigest() == first.instances[1].sha256
    assert len(list(tmp_path.iterdir())) == 1


def test_a_failure_half_way_leaves_nothing_under_the_final_name(tmp_path: Path) -> None:
    class PowerCutError(Exception):
        pass

    def cut(done: int, _of: int) -> None:
        if done == 2:
            raise PowerCutError

    with pytest.raises(PowerCutError):
        write_series(build(), tmp_path, cut)
    assert list(tmp_path.iterdir()) == []
    assert len(write(tmp_path).instances) == 3


def test_a_disk_that_fails_is_a_storage_fault(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_text("not a folder")
    with pytest.raises(StorageFault):
        write(tmp_path / "outbox")
