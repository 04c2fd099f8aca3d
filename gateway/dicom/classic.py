"""A series as MR Image Storage: one object for each image (PS3.3 A.4)."""

from __future__ import annotations

from typing import TypeAlias

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag
from pydicom.uid import MRImageStorage

from gateway.dicom import attributes, learned, mr, values
from gateway.dicom.diffusion import put_diffusion
from gateway.dicom.layout import PlacedImage
from gateway.dicom.modules import Draft, finish, put_window, real_world_value, series_attributes
from gateway.model.image import ImageKind


def build_classic(draft: Draft) -> list[Dataset]:
    """Build the objects in the order of their Instance Number.

    What several of them share is made once, and is the same Python objects in all of them: making and encoding elements
    is most of the work.
    """
    header, frames = draft.header, draft.images.frames
    common = _elements(_common(draft))
    repetitions = sorted({frame.repetition for frame in frames})
    resolution_ms = mr.temporal_resolution_ms(frames, header.system.vendor)
    echoes: _Parts = {}
    planes: _Parts = {}
    datasets = []
    for number, image in enumerate(draft.placed, start=1):
        frame, ds = image.frame, Dataset()
        if (counters := (frame.repetition, frame.set, frame.contrast)) not in echoes:
            mr.put_echo(ds, frame, header)
            mr.put_time_series(ds, frame, repetitions, resolution_ms)
            echoes[counters] = _elements(ds)
        if (lie := _lie(image)) not in planes:
            planes[lie] = _elements(_plane(image, header.encodings[0].trajectory))
        ds = Dataset({**common, **echoes[counters], **planes[lie]})
        ds.SOPInstanceUID = draft.plan.instance_uid(frame, number)
        ds.InstanceNumber = number
        mr.put_moment(ds, frame, header)
        if not draft.kind.derived:
            put_diffusion(ds, frame, header)
        _put_image(ds, image)
        datasets.append(ds)
    return datasets


_Elements: TypeAlias = dict[BaseTag, DataElement | RawDataElement]
_Parts: TypeAlias = dict[tuple[object, ...], _Elements]


def _elements(ds: Dataset) -> _Elements:
    return {element.tag: element for element in ds.values()}


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


def _lie(image: PlacedImage) -> tuple[object, ...]:
    """Tell orientations apart: images of one share `_plane`."""
    plane = image.plane
    steps = (plane.between_rows_mm, plane.between_columns_mm, image.between_slices_mm)
    return (plane.row.tobytes(), plane.column.tobytes(), *steps, image.values.shape, image.transposed)


def _plane(image: PlacedImage, trajectory: str) -> Dataset:
    plane = image.plane
    ds = Dataset()
    ds.ImageOrientationPatient = [values.decimal(x) for x in (*plane.row.tolist(), *plane.column.tolist())]
    ds.PixelSpacing = [values.decimal(plane.between_rows_mm), values.decimal(plane.between_columns_mm)]
    ds.Rows, ds.Columns = image.values.shape
    attributes.put_known(
        ds,
        SpacingBetweenSlices=values.decimal(image.between_slices_mm),
        InPlanePhaseEncodingDirection=mr.phase_direction(trajectory, transposed=image.transposed),
    )
    return ds


def _put_image(ds: Dataset, image: PlacedImage) -> None:
    """Fill place and pixels of one image."""
    ds.ImagePositionPatient = [values.decimal(x) for x in image.plane.position_mm.tolist()]
    ds.SliceLocation = values.decimal(image.plane.location_mm)
    little = image.values.astype(image.values.dtype.newbyteorder("<"), copy=False)
    ds.add_new("PixelData", "OW", little.tobytes())
