"""Packed pixels come out bit by bit, whoever unpacks them, and the bytes of the outbox are what travels."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import generate_fragments
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless
from pynetdicom.events import Event

from gateway.dicom.codecs import SMALLEST_JPEG_2000, SYNTAXES
from gateway.dicom.encoding import encode_series
from gateway.dicom.outbox import dataset_of, syntax_of
from gateway.dicom.series import build_series
from gateway.dicom.store import store
from gateway.dicom.syntaxes import UNCOMPRESSED, encode_as, unpacked
from gateway.model.form import Compression, ObjectFormat
from gateway.model.image import ImageKind, ImageSeries
from tests.dicom import scans
from tests.dicom.outbox import Written, pacs
from tests.dicom.scripted import scripted_pacs
from tests.dicom.test_peers import storescp
from tests.dicom.variants import written
from tests.peers import Orthanc

PACKED: list[Compression] = [compression for compression in Compression if compression is not Compression.NONE]
OFFER_TO_STORESCP = {Compression.RLE: "+xr", Compression.JPEG_LS: "+xt", Compression.JPEG_2000: "+xv"}
"""Options by which DCMTK prefers a transfer syntax."""

Pixels = npt.NDArray[np.generic]


def hard(kind: ImageKind = ImageKind.MAGNITUDE) -> ImageSeries:
    """Noise, the extremes beside each other, even areas, and a matrix that is odd."""
    pixels = np.random.default_rng(4).random((3, 45, 37), dtype=np.float32)
    pixels[0, ::2] = 0
    pixels[1, :20] = pixels[0].max()
    signed = kind is not ImageKind.MAGNITUDE
    return replace(scans.images((pixels - np.float32(0.5)) * 6 if signed else pixels), kind=kind)


def encoded(images: ImageSeries, compression: Compression, format_: ObjectFormat = ObjectFormat.CLASSIC) -> list[bytes]:
    plan = replace(scans.plan(), format=format_)
    return list(encode_series(build_series(images, scans.header(), plan), compression))


@pytest.mark.parametrize("format_", list(ObjectFormat))
@pytest.mark.parametrize("kind", [ImageKind.MAGNITUDE, ImageKind.PHASE])
@pytest.mark.parametrize("compression", PACKED)
def test_unpacking_gives_the_very_bytes_of_the_unpacked_file(
    compression: Compression, kind: ImageKind, format_: ObjectFormat
) -> None:
    plain = encoded(hard(kind), Compression.NONE, format_)
    packed = encoded(hard(kind), compression, format_)
    assert [syntax_of(content) for content in packed] == [SYNTAXES[compression]] * len(plain)
    for content, truth in zip(packed, plain, strict=True):
        assert unpacked(content) == truth
        assert encode_as(content, UNCOMPRESSED[0]) == dataset_of(truth)
        assert encode_as(content, UNCOMPRESSED[1]) == encode_as(truth, UNCOMPRESSED[1])
        assert encode_as(content, SYNTAXES[compression]) == dataset_of(content)


@pytest.mark.parametrize("compression", PACKED)
def test_the_same_pixels_make_the_same_bytes(compression: Compression) -> None:
    assert encoded(hard(), compression) == encoded(hard(), compression)


@pytest.mark.parametrize("compression", PACKED)
def test_smooth_images_become_smaller(compression: Compression) -> None:
    y, x = np.mgrid[-1:1:128j, -1:1:128j]
    smooth = np.exp(-3 * (x**2 + y**2)).astype(np.float32)[None].repeat(3, axis=0)
    n_bytes = {how: sum(map(len, encoded(scans.images(smooth), how))) for how in (Compression.NONE, compression)}
    assert n_bytes[compression] < 0.7 * n_bytes[Compression.NONE]


def test_a_file_says_how_its_pixels_are_packed_and_nothing_else_changes(tmp_path: Path) -> None:
    (_, plain), *_ = written("large", tmp_path / "plain")
    for compression in PACKED:
        (_, path), *_ = written("large", tmp_path / compression, compression=compression)
        ds, truth = dcmread(path), dcmread(plain)
        assert ds.file_meta.TransferSyntaxUID == SYNTAXES[compression]
        del ds.PixelData, truth.PixelData
        assert ds == truth


@pytest.mark.parametrize("side", [1, 16, SMALLEST_JPEG_2000 - 1, SMALLEST_JPEG_2000])
@pytest.mark.parametrize("compression", PACKED)
def test_images_of_any_size_can_be_written(compression: Compression, side: int) -> None:
    pixels = np.random.default_rng(side).random((3, side, 64), dtype=np.float32)
    plain, packed = (encoded(scans.images(pixels), how) for how in (Compression.NONE, compression))
    assert [unpacked(content) for content in packed] == plain
    small = compression is Compression.JPEG_2000 and side < SMALLEST_JPEG_2000
    assert (packed == plain) == small


def truth_of(series: Written) -> Mapping[str, Pixels]:
    return {instance.sop_instance_uid: dcmread(path).pixel_array for instance, path in series}


def same(files: list[Path], truth: Mapping[str, Pixels]) -> bool:
    found = {ds.SOPInstanceUID: ds.pixel_array for ds in map(dcmread, files)}
    return found.keys() == truth.keys() and all(np.array_equal(found[uid], truth[uid]) for uid in truth)


UNPACKERS = {
    Compression.RLE: ["/usr/bin/dcmdrle"],
    Compression.JPEG_LS: ["/usr/bin/dcmdjpls"],
    Compression.JPEG_2000: ["/usr/bin/gdcmconv", "--raw"],
}


@pytest.mark.peer("dcmdrle", "dcmdjpls", "gdcmconv")
@pytest.mark.parametrize("format_", list(ObjectFormat))
@pytest.mark.parametrize("name", ["large", "large phase"])
@pytest.mark.parametrize("compression", PACKED)
def test_programs_of_others_unpack_the_same_pixels(
    compression: Compression, name: str, format_: ObjectFormat, tmp_path: Path
) -> None:
    truth = truth_of(written(name, tmp_path / "plain", format_))
    out = []
    for number, (_, path) in enumerate(written(name, tmp_path / "packed", format_, compression)):
        out.append(tmp_path / f"{number}.dcm")
        subprocess.run([*UNPACKERS[compression], path, out[-1]], check=True, capture_output=True)
    assert not any(dcmread(path).file_meta.TransferSyntaxUID.is_compressed for path in out)
    assert same(out, truth)


@pytest.mark.peer("gdcmconv")
@pytest.mark.parametrize("compression", PACKED)
def test_gdcm_unpacks_all_of_them(compression: Compression, tmp_path: Path) -> None:
    truth = truth_of(written("large", tmp_path / "plain"))
    out = []
    for number, (_, path) in enumerate(written("large", tmp_path / "packed", compression=compression)):
        out.append(tmp_path / f"{number}.dcm")
        subprocess.run(["/usr/bin/gdcmconv", "--raw", path, out[-1]], check=True, capture_output=True)
    assert same(out, truth)


@pytest.mark.peer("opj_decompress")
def test_the_reference_decoder_reads_the_code_stream_itself(tmp_path: Path) -> None:
    truth = truth_of(written("large", tmp_path / "plain"))
    for instance, path in written("large", tmp_path / "packed", compression=Compression.JPEG_2000):
        (tmp_path / "one.j2k").write_bytes(next(generate_fragments(_after_table(dcmread(path).PixelData))))
        files = f"-i {tmp_path}/one.j2k -o {tmp_path}/one.rawl".split()
        subprocess.run(["/usr/bin/opj_decompress", *files], check=True, capture_output=True)
        pixels = np.fromfile(tmp_path / "one.rawl", "<u2")
        np.testing.assert_array_equal(pixels, truth[instance.sop_instance_uid].ravel())


def _after_table(value: bytes) -> bytes:
    """Skip the basic offset table (PS3.5 A.4)."""
    return value[8 + int.from_bytes(value[4:8], "little") :]


@pytest.mark.peer("storescp")
@pytest.mark.parametrize("compression", PACKED)
def test_dcmtk_keeps_what_lies_in_the_outbox(compression: Compression, tmp_path: Path) -> None:
    truth = truth_of(written("large", tmp_path / "plain"))
    series = written("large", tmp_path / "outbox", compression=compression)
    (tmp_path / "pacs").mkdir()
    with storescp(tmp_path / "pacs", OFFER_TO_STORESCP[compression]) as port:
        store(series, pacs(port, compression=compression), lambda _instance, _status: None)
    kept = list((tmp_path / "pacs").iterdir())
    assert {dcmread(path).file_meta.TransferSyntaxUID for path in kept} == {SYNTAXES[compression]}
    assert same(kept, truth)
    sent = {dataset_of(path.read_bytes()) for _, path in series}
    assert {path.read_bytes()[-2000:] for path in kept} == {content[-2000:] for content in sent}


@pytest.mark.peer("storescp")
@pytest.mark.parametrize("switch", ["+xe", "--implicit"])
@pytest.mark.parametrize("compression", PACKED)
def test_a_peer_that_takes_none_gets_the_same_pixels_unpacked(
    compression: Compression, switch: str, tmp_path: Path
) -> None:
    truth = truth_of(written("large", tmp_path / "plain"))
    series = written("large", tmp_path / "outbox", compression=compression)
    (tmp_path / "pacs").mkdir()
    with storescp(tmp_path / "pacs", switch) as port:
        store(series, pacs(port, compression=compression), lambda _instance, _status: None)
    assert same(list((tmp_path / "pacs").iterdir()), truth)


@pytest.mark.peer("Orthanc")
@pytest.mark.parametrize("compression", PACKED)
def test_orthanc_gives_back_the_same_pixels(compression: Compression, orthanc: Orthanc, tmp_path: Path) -> None:
    series = written("large", tmp_path / "outbox", compression=compression, index=10 + PACKED.index(compression))
    plain = written("large", tmp_path / "plain", index=10 + PACKED.index(compression))
    destination = pacs(orthanc.dicom_port, orthanc.ae_title, compression=compression)
    store(series, destination, lambda _instance, _status: None)
    found = []
    for number, (instance, _) in enumerate(series):
        (name,) = (one for one in orthanc.get("/instances?expand") if _uid(one) == instance.sop_instance_uid)
        found.append(tmp_path / f"{number}.dcm")
        found[-1].write_bytes(orthanc.get_bytes(f"/instances/{name['ID']}/file"))
    assert {dcmread(path).file_meta.TransferSyntaxUID for path in found} == {SYNTAXES[compression]}
    assert same(found, truth_of(plain))


def _uid(instance: Mapping[str, Mapping[str, str]]) -> str:
    return instance["MainDicomTags"]["SOPInstanceUID"]


def test_small_images_reach_a_peer_that_prefers_jpeg_2000(tmp_path: Path) -> None:
    series = written("oblique", tmp_path, compression=Compression.JPEG_2000)
    arrived: list[Dataset] = []

    def keep(event: Event) -> int:
        arrived.append(event.dataset)
        return 0

    with scripted_pacs(keep, [JPEG2000Lossless, ExplicitVRLittleEndian]) as (port, _):
        store(series, pacs(port, compression="jpeg-2000"), lambda _instance, _status: None)
    assert len(arrived) == len(series)
