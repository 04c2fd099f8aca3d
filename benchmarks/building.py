"""Building a series: 200 images of 320 x 320 to encoded DICOM files, beside the same by plain pydicom."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO

import numpy as np
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

from benchmarks.registry import Peers, benchmark
from gateway.dicom.encoding import encode_series
from gateway.dicom.plan import SeriesPlan
from gateway.dicom.series import build_series
from gateway.model.header import ScanHeader
from gateway.model.image import Frame, ImageSeries
from gateway.model.zyx import Zyx
from gateway.recon.phantom import PhantomScan, head_phantom

MATRIX = 320


def header_and_plan() -> tuple[ScanHeader, SeriesPlan]:
    """Describe a scan, and the work its series comes from."""
    _, header = head_phantom(PhantomScan(n_slices=1, n_coils=1, matrix=Zyx(z=1, y=32, x=32), seed=1))
    plan = SeriesPlan(
        recording_digest="0" * 64,
        rule="bench",
        recipe="fft",
        recipe_fingerprint="0",
        description="bench",
        received_at=datetime(2024, 1, 1, tzinfo=UTC),
    )
    return header, plan


def volume(n_images: int) -> ImageSeries:
    """Make images of noise, one above the other."""
    pixels = np.random.default_rng(0).random((n_images, MATRIX, MATRIX), dtype=np.float32)
    frames = tuple(
        Frame(
            position_mm=(0.0, 0.0, float(number - n_images // 2)),
            read_dir=(1.0, 0.0, 0.0),
            phase_dir=(0.0, 1.0, 0.0),
            slice_dir=(0.0, 0.0, 1.0),
            slice=number,
        )
        for number in range(n_images)
    )
    return ImageSeries(pixels=pixels, frames=frames, spacing_mm=Zyx(z=1.0, y=1.0, x=1.0))


@benchmark
def building() -> Iterator[Peers]:
    """Build and encode 200 instances; plain pydicom checks nothing and sets a third of the attributes."""
    images = volume(200)
    header, plan = header_and_plan()

    def ours() -> list[bytes]:
        return list(encode_series(build_series(images, header, plan)))

    for mine, theirs in zip(ours(), _plain(images), strict=True):
        assert dcmread(BytesIO(mine)).PixelData == dcmread(BytesIO(theirs)).PixelData  # noqa: S101 - the same work
    yield {"gateway": ours, "plain pydicom": lambda: _plain(images)}


def _plain(images: ImageSeries) -> list[bytes]:
    stored = np.rint(images.pixels.astype(np.float64) / images.pixels.max() * 4095).astype("<u2")
    return [_plain_file(pixels, frame) for pixels, frame in zip(stored, images.frames, strict=True)]


def _plain_file(pixels: np.ndarray, frame: Frame) -> bytes:
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = MRImageStorage, f"1.2.3.{frame.slice}"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.Modality = "1.2.3", "1.2.3.4", "MR"
    ds.PatientName, ds.PatientID, ds.InstanceNumber = "A^B", "1", frame.slice + 1
    ds.Rows, ds.Columns = pixels.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 12, 11
    ds.ImagePositionPatient, ds.ImageOrientationPatient = list(frame.position_mm), [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing, ds.SliceThickness = [1, 1], 1
    ds.PixelData = pixels.tobytes()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    buffer = BytesIO()
    dcmwrite(buffer, ds, enforce_file_format=True)
    return buffer.getvalue()
