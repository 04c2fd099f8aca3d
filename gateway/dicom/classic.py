"""A series as MR Image Storage: one object for each image (PS3.3 A.4)."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage

from gateway.dicom import attributes, learned, mr, values
from gateway.dicom.layout import PlacedImage
from gateway.dicom.modules import Draft, finish, put_window, real_world_value, series_attributes
from gateway.model.image import ImageKind


def build_classic(draft: Draft) -> list[Dataset]:
    """Build the objects in the order of their Instance Number."""
    common = _common(draft)
    header, frames = draft.header, draft.images.frames
    repetitions = sorted({frame.repetition for frame in frames})
    resolution_ms = mr.temporal_resolution_ms(frames, header.system.vendor)
    datasets = []
    for number, image in enumerate(draft.placed, start=1):
        ds = Dataset()
        ds.update(common)
        ds.SOPInstanceUID = draft.plan.instance_uid(image.frame, number)
        ds.InstanceNumber = number
        _put_plane(ds, image)
        mr.put_frame(ds, image.frame, header)
        mr.put_time_series(ds, image.frame, repetitions, resolution_ms)
        direction = mr.phase_direction(header.encodings[0].trajectory, transposed=image.transposed)
        attributes.put_known(ds, InPlanePhaseEncodingDirection=direction)
        datasets.append(ds)
    return datasets


def _common(draft: Draft) -> Dataset:
    """Fill what all images share."""
    ds = series_attributes(draft)
    ds.SOPClassUID = MRImageStorage
    put_window(ds, draft.stored)
    if draft.images.kind is not ImageKind.MAGNITUDE:
        ds.RealWorldValueMappingSequence = [real_world_value(draft)]
    mr.put_series(ds, draft.images, draft.header)
    if draft.plan.model is not None:
        ds.ImageType = [*ds.ImageType, learned.IMAGE_TYPE]
    finish(ds, draft.plan)
    return ds


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
