"""A reconstructed series as MR Image Storage objects, one for each image, and as files in the outbox."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage

from gateway.dicom import attributes, learned, mr, values
from gateway.dicom.encoding import encode_series
from gateway.dicom.layout import PlacedImage, place
from gateway.dicom.learned import LearnedModel
from gateway.dicom.pixels import StoredPixels, store_pixels
from gateway.model.errors import BadScan, ImageRefused, StorageFault
from gateway.model.form import Compression
from gateway.model.header import ScanHeader
from gateway.model.ids import derive_uid
from gateway.model.image import Frame, ImageSeries
from gateway.model.series import Instance, Series


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesPlan:
    """Which work a series is the result of; its UIDs derive from this and nothing else.

    Parameters
    ----------
    recording_sha256
        Of the recording that was reconstructed.
    rule, recipe, recipe_fingerprint
        The routing rule that asked for it, the recipe's name, and a digest of all its parameters and weights.
    description
        Series Description.
    received_at
        When the scan came, in the time zone of the site: becomes Content Date and Time.
    output_index
        Which of the recipe's series this is, from 0.
    model
        The network that took part, or None for a conventional reconstruction.
    """

    recording_sha256: str
    rule: str
    recipe: str
    recipe_fingerprint: str
    description: str
    received_at: datetime
    output_index: int = 0
    model: LearnedModel | None = None

    def series_uid(self) -> str:
        """Derive the Series Instance UID."""
        return derive_uid("series", *self._identity())

    def instance_uid(self, frame: Frame, number: int) -> str:
        """Derive the SOP Instance UID of one image."""
        counters = (frame.slice, frame.contrast, frame.phase, frame.repetition, frame.set)
        return derive_uid("instance", *self._identity(), *counters, number)

    def _identity(self) -> tuple[str | int, ...]:
        return (self.recording_sha256, self.rule, self.recipe, self.recipe_fingerprint, self.output_index)


def build_series(images: ImageSeries, header: ScanHeader, plan: SeriesPlan) -> list[Dataset]:
    """Build the objects of a series in the order of their Instance Number; same input, same bytes.

    They come by repetition, set, cardiac phase and echo, then along the normal of the slices.

    Raises
    ------
    BadScan
        The images have no place in the patient.
    ImageRefused
        The pixels are nothing that anybody should see.
    """
    if images.pixels.ndim != 3 or len(images.pixels) != len(images.frames):  # noqa: PLR2004 - (frame y x)
        raise ImageRefused(f"{len(images.frames)} frames do not describe pixels of shape {images.pixels.shape}")
    if not header.encodings:
        raise BadScan("the header describes no encoding")
    stored = store_pixels(images.pixels, images.kind)
    common = _common(images, header, plan)
    _put_pixel_format(common, stored)
    repetitions = sorted({frame.repetition for frame in images.frames})
    resolution_ms = mr.temporal_resolution_ms(images.frames, header.system.vendor)
    datasets = []
    for number, image in enumerate(place(stored.values, images.frames, images.spacing_mm), start=1):
        ds = Dataset()
        ds.update(common)
        ds.SOPInstanceUID = plan.instance_uid(image.frame, number)
        ds.InstanceNumber = number
        _put_plane(ds, image)
        mr.put_frame(ds, image.frame, header)
        mr.put_time_series(ds, image.frame, repetitions, resolution_ms)
        mr.put_phase_direction(ds, header.encodings[0].trajectory, transposed=image.transposed)
        datasets.append(ds)
    return datasets


def _common(images: ImageSeries, header: ScanHeader, plan: SeriesPlan) -> Dataset:
    """Fill what all images share, but for the format of their pixels."""
    ds = Dataset()
    ds.SOPClassUID = MRImageStorage
    ds.SeriesInstanceUID = plan.series_uid()
    ds.ContentDate = plan.received_at.strftime("%Y%m%d")
    ds.TimezoneOffsetFromUTC = plan.received_at.strftime("%z")
    ds.ContentTime = plan.received_at.strftime("%H%M%S.%f")
    attributes.put_patient(ds, header.subject, header.study.date)
    attributes.put_study(ds, header.study, recording_sha256=plan.recording_sha256)
    attributes.put_series(ds, header, recording_sha256=plan.recording_sha256, output_index=plan.output_index)
    attributes.put_equipment(ds, header.system)
    attributes.put_quality(ds)
    attributes.put_known(
        ds,
        SeriesDescription=values.text(plan.description),
        ImageComments=values.text(" ".join(images.notes), values.LONG_TEXT),
    )
    mr.put_series(ds, images, header)
    if plan.model is not None:
        learned.mark(ds, plan.model)
    attributes.put_character_set(ds)
    return ds


def _put_pixel_format(ds: Dataset, stored: StoredPixels) -> None:
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.BitsAllocated = 16
    ds.BitsStored = stored.bits_stored
    ds.HighBit = stored.bits_stored - 1
    ds.PixelRepresentation = int(stored.signed)
    ds.WindowCenter = values.decimal(stored.window_center)
    ds.WindowWidth = values.decimal(stored.window_width)


def _put_plane(ds: Dataset, image: PlacedImage) -> None:
    """Fill place and pixels of one image."""
    plane = image.plane
    ds.ImagePositionPatient = [values.decimal(x) for x in plane.position_mm.tolist()]
    ds.ImageOrientationPatient = [values.decimal(x) for x in (*plane.row.tolist(), *plane.column.tolist())]
    ds.PixelSpacing = [values.decimal(plane.between_rows_mm), values.decimal(plane.between_columns_mm)]
    ds.SliceLocation = values.decimal(plane.location_mm)
    attributes.put_known(ds, SpacingBetweenSlices=values.decimal(image.between_slices_mm))
    ds.Rows, ds.Columns = image.values.shape
    ds.add_new("PixelData", "OW", image.values.astype(image.values.dtype.newbyteorder("<")).tobytes())


def write_series(
    datasets: Sequence[Dataset],
    outbox: Path,
    on_written: Callable[[int, int], None],
    compression: Compression = Compression.NONE,
) -> Series:
    """Put a series into the outbox, whole and durable, or not at all.

    A folder that is there already was left by an attempt that died before it was recorded. The same bytes are reused;
    other bytes go, as nothing refers to them: the caller writes a series before the row that names it.

    Parameters
    ----------
    on_written
        Called with the number of files written so far and of all.

    Raises
    ------
    StorageFault
        The disk failed us.
    """
    first = datasets[0]
    final = outbox / str(first.SeriesInstanceUID)
    part = final.with_name(f"{final.name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(mode=0o700, parents=True)
        instances = []
        for ds, content in zip(datasets, encode_series(datasets, compression), strict=True):
            instances.append(_write_instance(content, ds, part, final.name))
            on_written(len(instances), len(datasets))
        _sync_folder(part)
        _publish(part, final)
    except OSError as fault:
        raise StorageFault(f"series {final.name} cannot be written to {outbox}: {fault.strerror}") from fault
    return Series(
        study_instance_uid=str(first.StudyInstanceUID),
        series_instance_uid=str(first.SeriesInstanceUID),
        description=str(first.get("SeriesDescription", "")),
        instances=tuple(instances),
    )


def _write_instance(content: bytes, ds: Dataset, part: Path, folder: str) -> Instance:
    name = f"{ds.InstanceNumber:04d}.dcm"
    descriptor = os.open(part / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return Instance(
        sop_class_uid=str(ds.SOPClassUID),
        sop_instance_uid=str(ds.SOPInstanceUID),
        number=int(ds.InstanceNumber),
        path=f"{folder}/{name}",
        sha256=hashlib.sha256(content).hexdigest(),
        n_bytes=len(content),
    )


def _publish(part: Path, final: Path) -> None:
    """Give the folder its name, unless the same files have it already."""
    if final.exists():
        if _contents(final) == _contents(part):
            shutil.rmtree(part)
            return
        shutil.rmtree(final)
    part.rename(final)
    _sync_folder(final.parent)


def _contents(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}


def _sync_folder(folder: Path) -> None:
    """Make renames and new files in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
