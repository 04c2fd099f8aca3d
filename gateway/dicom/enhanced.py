"""A series as Enhanced MR Image Storage: one object for all images of the same matrix (PS3.3 A.36)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedMRImageStorage

from gateway.dicom import mr, values
from gateway.dicom.attributes import put_known
from gateway.dicom.dimensions import Dimensions, dimensions_of
from gateway.dicom.functional_groups import frame_type, functional_groups, put_description
from gateway.dicom.layout import PlacedImage
from gateway.dicom.modules import Draft, finish, series_attributes
from gateway.model.errors import ImageRefused
from gateway.model.ids import IMPLEMENTATION_CLASS_UID

OTHER_IOD = ("Laterality", "SequenceName", "AcquisitionDate", "QualityControlImage")
"""Attributes of a series of single images, which are said of the frames here."""

SERIES_NUMBER_STEP = 50
"""Keeps the number apart from that of the same images as classic objects."""

LARGEST_BYTES = 2**32 - 2
"""The length of Pixel Data has 32 bits, and is even (PS3.5 7.1.2)."""


def build_enhanced(draft: Draft) -> list[Dataset]:
    """Build the objects; there are several only where turned stacks differ in rows and columns.

    Raises
    ------
    ImageRefused
        The images are more than one object can hold.
    """
    shapes: dict[tuple[int, ...], list[PlacedImage]] = {}
    for image in draft.placed:
        shapes.setdefault(image.values.shape, []).append(image)
    return [_object(draft, images, number) for number, images in enumerate(shapes.values(), start=1)]


def _object(draft: Draft, images: Sequence[PlacedImage], number: int) -> Dataset:
    if (n_bytes := sum(image.values.nbytes for image in images)) > LARGEST_BYTES:
        raise ImageRefused(f"{n_bytes} bytes of pixels do not fit one Enhanced object: send it as classic ones")
    dimensions = dimensions_of(images, draft.header)
    ds = series_attributes(draft)
    for keyword in OTHER_IOD:
        if keyword in ds:
            delattr(ds, keyword)
    ds.SOPClassUID = EnhancedMRImageStorage
    ds.SOPInstanceUID = draft.plan.object_uid("object", number)
    ds.InstanceNumber = number
    ds.SeriesNumber += SERIES_NUMBER_STEP
    ds.DeviceSerialNumber = IMPLEMENTATION_CLASS_UID  # software has none, and here it must not be empty
    _put_image(ds, draft)
    _put_dimensions(ds, draft, dimensions)
    shared, frames = functional_groups(draft, images, dimensions)
    ds.SharedFunctionalGroupsSequence = [shared]
    ds.PerFrameFunctionalGroupsSequence = frames
    ds.NumberOfFrames = len(images)
    ds.Rows, ds.Columns = images[0].values.shape
    little = images[0].values.dtype.newbyteorder("<")
    ds.add_new("PixelData", "OW", b"".join(image.values.astype(little, copy=False).tobytes() for image in images))
    finish(ds, draft.plan)
    return ds


def _put_image(ds: Dataset, draft: Draft) -> None:
    """Fill the Enhanced MR Image module (C.8.13.1), as far as a derived image needs it or the scan has told it."""
    ds.ImageType = frame_type(draft)
    put_description(ds, draft)
    ds.PresentationLUTShape = "IDENTITY"
    ds.AcquisitionContextSequence = []
    ds.ApplicableSafetyStandardAgency = "OTHER"  # which one the scanner obeys is not told
    put_known(
        ds,
        ResonantNucleus=mr.nucleus(draft.header.system),
        MagneticFieldStrength=values.decimal(draft.header.system.field_strength_t, positive=True),
        AcquisitionDateTime=mr.acquisition_moment(draft.placed[0].frame, draft.header),
        ImageComments=values.text(" ".join([ds.get("ImageComments", ""), *_told(draft)]), values.LONG_TEXT),
    )


def _told(draft: Draft) -> Iterator[str]:
    """Tell what is known and has no place: its functional group wants what is not known as well."""
    sequence, encoding = draft.header.sequence, draft.header.encodings[0]
    inversion_ms = sequence.inversion_time_ms if mr.inverts(sequence.sequence_type) else ()
    for what, numbers, unit in (
        ("Repetition time", sequence.repetition_time_ms, "ms"),
        ("Flip angle", sequence.flip_angle_deg, "degrees"),
        ("Inversion time", inversion_ms, "ms"),
        ("Pixel bandwidth", (mr.pixel_bandwidth_hz(draft.images) or 0.0,), "Hz"),
        ("Fewer lines by", (encoding.acceleration.y * encoding.acceleration.z,), "times"),
    ):
        if legal := [f"{number:g}" for number in numbers if values.positive(number)]:
            yield f"{what} {', '.join(legal)} {unit}."


def _put_dimensions(ds: Dataset, draft: Draft, dimensions: Dimensions) -> None:
    """Fill the Multi-frame Dimension module (C.7.6.17)."""
    organization = Dataset()
    organization.DimensionOrganizationUID = draft.plan.object_uid("dimensions")
    ds.DimensionOrganizationSequence = [organization]
    items = []
    for dimension in dimensions.used:
        item = Dataset()
        item.DimensionOrganizationUID = organization.DimensionOrganizationUID
        item.DimensionIndexPointer = tag_for_keyword(dimension.pointer)
        item.FunctionalGroupPointer = tag_for_keyword(dimension.group)
        items.append(item)
    ds.DimensionIndexSequence = items
