"""Images of which nobody knows how they lie in the patient, as Secondary Capture: objects without an orientation.

MR objects must have Image Orientation (Patient), and viewers write left and right beside it. Where the scanner sent
none, any value would be a lie; a Secondary Capture (PS3.3 A.8.1) says by an empty Patient Orientation that it is not
known.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from gateway.dicom import values
from gateway.dicom.attributes import put_known
from gateway.dicom.modules import Draft, finish, put_window, real_world_value, series_attributes
from gateway.model.image import Frame, ImageKind

SUFFIX = "[no orientation]"
"""Ends the Series Description."""

SENTENCE = "The scanner sent no orientation: left and right, front and back, head and feet are not known."

PLACE = ("FrameOfReferenceUID", "PositionReferenceIndicator", "PatientPosition", "SequenceName", "Laterality")
"""What says, or is about, where an image lies; and what this kind of object has no place for."""


def without_direction(frames: Sequence[Frame]) -> bool:
    """Say whether the scanner sent no directions at all; some, or wrong ones, are a fault and not a gap."""
    return bool(frames) and all(not np.any((frame.read_dir, frame.phase_dir, frame.slice_dir)) for frame in frames)


def build_captures(draft: Draft) -> list[Dataset]:
    """Build one object for each image, by repetition, set, cardiac phase, echo and slice, unturned."""
    common = _common(draft)
    images = zip(draft.images.frames, draft.stored.values, strict=True)
    little = draft.stored.values.dtype.newbyteorder("<")
    datasets = []
    for number, (frame, pixels) in enumerate(sorted(images, key=lambda image: _counters(image[0])), start=1):
        ds = Dataset()
        ds.update(common)
        ds.SOPInstanceUID = draft.plan.instance_uid(frame, number)
        ds.InstanceNumber = number
        ds.Rows, ds.Columns = pixels.shape
        ds.add_new("PixelData", "OW", pixels.astype(little, copy=False).tobytes())
        datasets.append(ds)
    return datasets


def _counters(frame: Frame) -> tuple[int, ...]:
    return (frame.repetition, frame.set, frame.phase, frame.contrast, frame.slice)


def _common(draft: Draft) -> Dataset:
    ds = series_attributes(draft)
    for keyword in PLACE:
        if keyword in ds:
            delattr(ds, keyword)
    row, spacing = draft.kind, draft.images.spacing_mm
    ds.SOPClassUID = SecondaryCaptureImageStorage
    ds.ConversionType = "WSD"
    ds.PatientOrientation = None
    ds.ImageType = ["DERIVED" if row.derived else "ORIGINAL", "PRIMARY", row.flavor, row.mark]
    ds.SeriesDescription = values.text_ending(ds.get("SeriesDescription"), SUFFIX)
    ds.ImageComments = values.text(f"{SENTENCE} {ds.get('ImageComments', '')}", values.LONG_TEXT)
    between = [values.decimal(mm, positive=True) for mm in (spacing.y, spacing.x)]
    put_known(ds, PixelSpacing=between if all(between) else None)
    put_window(ds, draft.stored)
    if draft.images.kind is not ImageKind.MAGNITUDE:
        ds.RealWorldValueMappingSequence = [real_world_value(draft)]
    finish(ds, draft.plan)
    return ds
