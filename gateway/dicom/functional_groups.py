"""The functional groups of an Enhanced MR object (PS3.3 A.36.2.4): what is said of a frame, or of all at once.

Only what the scan has told is said. Frames are therefore DERIVED: for ORIGINAL ones the standard wants specific
absorption rate, coils and preparation pulses, which no MRD header has (docs/adr/0016). Groups that checkers want whole
or not at all are left out for the same reason; what is known of those stands in Image Comments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import TypeAlias

from pydicom.dataset import Dataset

from gateway.dicom import mr, values
from gateway.dicom.anatomy import BODY_PARTS, SOMEWHERE
from gateway.dicom.attributes import code_item, part_and_side, put_known
from gateway.dicom.diffusion import diffusion_group
from gateway.dicom.dimensions import LABEL, SLICE, TIME, Dimensions
from gateway.dicom.layout import PlacedImage
from gateway.dicom.modules import Draft, put_window, real_world_value
from gateway.model.image import ImageKind

Groups: TypeAlias = Mapping[str, Dataset]
"""The one item of each group, by the keyword of its sequence."""

FLAVORS = (("repetition", "DYNAMIC"), ("phase", "CINE"), ("contrast", "MULTIECHO"))
"""Image Type value 3 (PS3.3 C.8.16.1.3) of the first counter that several images differ in."""


def frame_type(draft: Draft) -> list[str]:
    """Say what the frames are: Image Type and Frame Type."""
    frames = draft.images.frames
    varying = (name for counter, name in FLAVORS if len({getattr(frame, counter) for frame in frames}) > 1)
    return ["DERIVED", "PRIMARY", next(varying, "VOLUME"), draft.kind.contrast]


def put_description(ds: Dataset, draft: Draft) -> None:
    """Fill the Common CT/MR and MR Image Description macros (C.8.16.2, C.8.13.3)."""
    ds.PixelPresentation = "MONOCHROME"
    ds.VolumetricProperties = "VOLUME"
    ds.VolumeBasedCalculationTechnique = "NONE"
    ds.ComplexImageComponent = draft.kind.component
    ds.AcquisitionContrast = "DIFFUSION" if draft.header.sequence.diffusion else "UNKNOWN"


def functional_groups(
    draft: Draft, images: Sequence[PlacedImage], dimensions: Dimensions
) -> tuple[Dataset, list[Dataset]]:
    """Fill the shared groups, and those of each frame; a group that is the same for all frames is shared."""
    of_series = _of_series(draft)
    of_echo = cache(lambda contrast: _of_echo(draft, contrast))
    of_plane = _of_plane(draft)
    frames = [
        {
            **of_series,
            **of_echo(image.frame.contrast),
            **of_plane(image),
            **_of_frame(draft, image, dimensions),
        }
        for image in images
    ]
    shared = {keyword: item for keyword, item in frames[0].items() if all(f.get(keyword) is item for f in frames[1:])}
    shared.pop("FrameContentSequence", None)  # for each frame even where there is one (C.7.6.16.2.2)
    return _sequences(shared), [_sequences({k: v for k, v in frame.items() if k not in shared}) for frame in frames]


def _sequences(groups: Groups) -> Dataset:
    ds = Dataset()
    for keyword, item in groups.items():
        setattr(ds, keyword, [item])
    return ds


def _of_series(draft: Draft) -> Groups:
    groups = {
        "FrameAnatomySequence": _anatomy(draft.header.study.body_part),
        "PixelValueTransformationSequence": _identity_transformation(),
        "FrameVOILUTSequence": Dataset(),
        "MRImageFrameTypeSequence": Dataset(),
        **_known("MRAveragesSequence", _averages(draft)),
    }
    put_window(groups["FrameVOILUTSequence"], draft.stored)
    groups["MRImageFrameTypeSequence"].FrameType = frame_type(draft)
    put_description(groups["MRImageFrameTypeSequence"], draft)
    if draft.images.kind is not ImageKind.MAGNITUDE:
        groups["RealWorldValueMappingSequence"] = real_world_value(draft)
    return groups


def _known(keyword: str, item: Dataset) -> Groups:
    """Leave out a group of which nothing is known."""
    return {keyword: item} if len(item) else {}


def _anatomy(body_part: str | None) -> Dataset:
    """Name the region; one of a pair whose side is unknown is a structure of the body, as a side must be told."""
    part, side = part_and_side(body_part)
    known = BODY_PARTS.get(part or "", SOMEWHERE)
    told = known if side or not known.paired else SOMEWHERE
    ds = Dataset()
    ds.FrameLaterality = side if told.paired else "U"
    ds.AnatomicRegionSequence = [code_item("SCT", told.code, told.meaning)]
    return ds


def _identity_transformation() -> Dataset:
    """Let stored values be the values: viewers have shown nothing for others."""
    ds = Dataset()
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "0", "1", "US"
    return ds


def _averages(draft: Draft) -> Dataset:
    ds = Dataset()
    put_known(ds, NumberOfAverages=values.decimal(mr.number_of_averages(draft.header.encodings[0]), positive=True))
    return ds


def _of_echo(draft: Draft, contrast: int) -> Groups:
    echo = Dataset()
    put_known(echo, EffectiveEchoTime=values.positive(mr.nth(draft.header.sequence.echo_time_ms, contrast)))
    return _known("MREchoSequence", echo)


def _of_plane(draft: Draft) -> Callable[[PlacedImage], Groups]:
    """Fill what belongs to an orientation; the same for all frames that share it."""

    @cache
    def groups(orientation: tuple[str, ...], spacing: tuple[str | None, ...], *, transposed: bool) -> Groups:
        measures, plane, field = Dataset(), Dataset(), Dataset()
        plane.ImageOrientationPatient = list(orientation)
        measures.PixelSpacing = list(spacing[:2])
        measures.SliceThickness = values.decimal(draft.images.spacing_mm.z, positive=True)
        put_known(measures, SpacingBetweenSlices=spacing[2])
        direction = mr.phase_direction(draft.header.encodings[0].trajectory, transposed=transposed)
        if direction is not None:  # a group for k-space that has lines
            field.InPlanePhaseEncodingDirection = {"COL": "COLUMN"}.get(direction, direction)
            put_known(field, **_sampling(draft))
        return {
            "PixelMeasuresSequence": measures,
            "PlaneOrientationSequence": plane,
            **_known("MRFOVGeometrySequence", field),
        }

    def of(image: PlacedImage) -> Groups:
        plane = image.plane
        between = (plane.between_rows_mm, plane.between_columns_mm, image.between_slices_mm)
        return groups(
            _decimals((*plane.row.tolist(), *plane.column.tolist())),
            tuple(values.decimal(mm) for mm in between),
            transposed=image.transposed,
        )

    return of


def _sampling(draft: Draft) -> dict[str, object]:
    encoding = draft.header.encodings[0]
    return {
        "MRAcquisitionFrequencyEncodingSteps": values.integer(encoding.encoded.matrix.x),
        "MRAcquisitionPhaseEncodingStepsInPlane": values.integer(draft.images.n_lines) or None,
        "PercentSampling": values.decimal(mr.percent_sampling(draft.images)),
        "PercentPhaseFieldOfView": values.decimal(mr.percent_phase_field_of_view(encoding), positive=True),
    }


def _decimals(numbers: Iterable[float]) -> tuple[str, ...]:
    return tuple(values.decimal(number) or "0" for number in numbers)


def _of_frame(draft: Draft, image: PlacedImage, dimensions: Dimensions) -> Groups:
    frame, header = image.frame, draft.header
    content, position, cardiac = Dataset(), Dataset(), Dataset()
    content.FrameAcquisitionNumber = frame.repetition + 1
    content.DimensionIndexValues = dimensions.indices(image)
    content.StackID = str(image.stack + 1)
    content.InStackPositionNumber = dimensions.index(image, SLICE)
    put_known(
        content,
        TemporalPositionIndex=dimensions.index(image, TIME) if dimensions.names(TIME.pointer) else None,
        FrameLabel=dimensions.label(frame) if dimensions.names(LABEL) else None,
        FrameAcquisitionDateTime=mr.acquisition_moment(frame, header),
        FrameComments=_mark(draft),
    )
    position.ImagePositionPatient = list(_decimals(image.plane.position_mm.tolist()))
    put_known(cardiac, NominalCardiacTriggerDelayTime=mr.trigger_time_ms(frame, header))
    return {
        "FrameContentSequence": content,
        "PlanePositionSequence": position,
        **_known("CardiacSynchronizationSequence", cardiac),
        **_known("MRDiffusionSequence", Dataset() if draft.kind.derived else diffusion_group(frame, header)),
    }


def _mark(draft: Draft) -> str | None:
    """Mark each frame that a network took part in: Image Type has no room for it here."""
    model = draft.plan.model
    return values.text(f"neural network {model.name} {model.version}", values.LONG_TEXT) if model else None
