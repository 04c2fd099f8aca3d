"""The modules that classic and Enhanced objects of a series share: patient, study, series, equipment, pixel format."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.dataset import Dataset

from gateway.dicom import attributes, learned, ruling, values
from gateway.dicom.identity import put_identity, settled
from gateway.dicom.kinds import KINDS, KindRow, Unit
from gateway.dicom.layout import PlacedImage
from gateway.dicom.pixels import StoredPixels
from gateway.dicom.plan import SeriesPlan
from gateway.model.header import ScanHeader
from gateway.model.image import ImageSeries

_ARBITRARY = Unit(code="[arb'U]", meaning="arbitrary unit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A series with its integers and its places, which lacks only its objects.

    Parameters
    ----------
    placed
        In the order in which they are read.
    """

    images: ImageSeries
    header: ScanHeader
    plan: SeriesPlan
    stored: StoredPixels
    placed: list[PlacedImage]

    @property
    def kind(self) -> KindRow:
        """What DICOM says of this kind of image."""
        return KINDS[self.images.kind]


def series_attributes(draft: Draft) -> Dataset:
    """Fill what all objects of a series have, whichever IOD they are of."""
    header, plan = draft.header, draft.plan
    ds = Dataset()
    ds.SeriesInstanceUID = plan.series_uid()
    ds.ContentDate = plan.received_at.strftime("%Y%m%d")
    ds.TimezoneOffsetFromUTC = plan.received_at.strftime("%z")
    ds.ContentTime = plan.received_at.strftime("%H%M%S.%f")
    told = header if plan.identity is None else settled(header, plan.identity)
    attributes.put_patient(ds, told.subject, told.study.date)
    attributes.put_study(ds, told.study, recording_digest=plan.recording_digest)
    if plan.identity is not None:
        put_identity(ds, plan.identity, header, at=plan.received_at)
    if plan.deidentified is not None:
        attributes.put_deidentification(ds, plan.deidentified)
    attributes.put_series(ds, header, recording_digest=plan.recording_digest, output_index=plan.output_index)
    attributes.put_equipment(ds, header.system)
    attributes.put_quality(ds)
    attributes.put_known(
        ds,
        SeriesDescription=values.text_ending(plan.description, draft.kind.title),
        ImageComments=values.text(" ".join(draft.images.notes), values.LONG_TEXT),
    )
    _put_pixel_format(ds, draft.stored)
    return ds


def finish(ds: Dataset, plan: SeriesPlan) -> None:
    """Mark what a network made and what the gate said of it, and declare the character set, when all text is there."""
    if plan.model is not None:
        learned.mark(ds, plan.model)
    if plan.ruling is not None:
        ruling.put_ruling(ds, plan.ruling, learned=plan.model is not None)
    attributes.put_character_set(ds)


def _put_pixel_format(ds: Dataset, stored: StoredPixels) -> None:
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.BitsAllocated = 16
    ds.BitsStored = stored.bits_stored
    ds.HighBit = stored.bits_stored - 1
    ds.PixelRepresentation = int(stored.signed)


def put_window(ds: Dataset, stored: StoredPixels) -> None:
    """Fill the window of the series (PS3.3 C.11.2), in stored values."""
    ds.WindowCenter = values.decimal(stored.window_center)
    ds.WindowWidth = values.decimal(stored.window_width)


def real_world_value(draft: Draft) -> Dataset:
    """Say what the integers are worth (PS3.3 C.7.6.16.2.11.1)."""
    row, stored = draft.kind, draft.stored
    ds = Dataset()
    vr = "SS" if stored.signed else "US"
    ds.add_new("RealWorldValueFirstValueMapped", vr, int(stored.values.min()))
    ds.add_new("RealWorldValueLastValueMapped", vr, int(stored.values.max()))
    ds.RealWorldValueIntercept = 0.0
    ds.RealWorldValueSlope = stored.slope
    ds.LUTExplanation = draft.images.kind.value
    ds.LUTLabel = row.mark
    ds.MeasurementUnitsCodeSequence = [attributes.code_item("UCUM", *_named(row.unit or _ARBITRARY))]
    return ds


def _named(unit: Unit) -> tuple[str, str]:
    return unit.code, unit.meaning
