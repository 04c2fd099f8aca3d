"""A reconstructed series as DICOM objects, and as files in the outbox."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from pydicom.dataset import Dataset

from gateway.dicom.capture import build_captures, without_direction
from gateway.dicom.classic import build_classic
from gateway.dicom.encoding import encode_series
from gateway.dicom.enhanced import build_enhanced
from gateway.dicom.layout import place
from gateway.dicom.modules import Draft
from gateway.dicom.pixels import store_pixels
from gateway.dicom.plan import SeriesPlan
from gateway.model.errors import BadScan, ImageRefused, StorageFault
from gateway.model.form import Compression, ObjectFormat
from gateway.model.header import ScanHeader
from gateway.model.image import ImageSeries
from gateway.model.series import Instance, Series
from gateway.whole import whole_folder, write_synced

BUILDERS: Mapping[ObjectFormat, Callable[[Draft], list[Dataset]]] = MappingProxyType(
    {ObjectFormat.CLASSIC: build_classic, ObjectFormat.ENHANCED: build_enhanced}
)

NO_DIRECTION = (
    "read_dir, phase_dir and slice_dir are zero in all images: the scanner sent no orientation. "
    'A rule with unknown_direction = "mark" would send them as Secondary Capture without one'
)


def build_series(images: ImageSeries, header: ScanHeader, plan: SeriesPlan) -> list[Dataset]:
    """Build the objects of a series in the order of their Instance Number; same input, same bytes.

    Images come by repetition, set, cardiac phase and echo, then along the normal of the slices.

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
    if without_direction(images.frames):
        if not plan.mark_unknown_direction:
            raise BadScan(NO_DIRECTION)
        return build_captures(Draft(images=images, header=header, plan=plan, stored=stored, placed=[]))
    placed = place(stored.values, images.frames, images.spacing_mm)
    return BUILDERS[plan.format](Draft(images=images, header=header, plan=plan, stored=stored, placed=placed))


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
    try:
        with whole_folder(final) as part:
            instances = []
            for ds, content in zip(datasets, encode_series(datasets, compression), strict=True):
                instances.append(_write_instance(content, ds, part, final.name))
                on_written(len(instances), len(datasets))
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
    write_synced(part / name, content)
    return Instance(
        sop_class_uid=str(ds.SOPClassUID),
        sop_instance_uid=str(ds.SOPInstanceUID),
        number=int(ds.InstanceNumber),
        path=f"{folder}/{name}",
        sha256=hashlib.sha256(content).hexdigest(),
        n_bytes=len(content),
    )
