"""Reconstructed images as MRD messages: one for each frame, with the attributes that exporters read (MRD image data).

Pixels go as they were reconstructed: float32, or complex64 where the series is complex; nothing is scaled or rounded.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

from gateway.model.header import ScanHeader
from gateway.model.image import Frame, ImageKind, ImageSeries, Vector
from gateway.mrd.framing import MessageId

IMAGE_HEADER = np.dtype(
    [
        ("version", "<u2"),
        ("data_type", "<u2"),
        ("flags", "<u8"),
        ("measurement_uid", "<u4"),
        ("matrix_size", "<u2", (3,)),
        ("field_of_view", "<f4", (3,)),
        ("channels", "<u2"),
        ("position", "<f4", (3,)),
        ("read_dir", "<f4", (3,)),
        ("phase_dir", "<f4", (3,)),
        ("slice_dir", "<f4", (3,)),
        ("patient_table_position", "<f4", (3,)),
        ("average", "<u2"),
        ("slice", "<u2"),
        ("contrast", "<u2"),
        ("phase", "<u2"),
        ("repetition", "<u2"),
        ("set", "<u2"),
        ("acquisition_time_stamp", "<u4"),
        ("physiology_time_stamp", "<u4", (3,)),
        ("image_type", "<u2"),
        ("image_index", "<u2"),
        ("image_series_index", "<u2"),
        ("user_int", "<i4", (8,)),
        ("user_float", "<f4", (8,)),
        ("attribute_string_len", "<u4"),
    ]
)
"""Wire layout of ``ISMRMRD_ImageHeader`` (ismrmrd.h, 198 bytes, little-endian, packed)."""

FLOAT, COMPLEX = 5, 7
"""``ImageHeader.data_type``: float32 and complex64."""

IMAGE_TYPES: Mapping[ImageKind, int] = MappingProxyType(
    {
        ImageKind.MAGNITUDE: 1,
        ImageKind.PHASE: 2,
        ImageKind.REAL: 3,
        ImageKind.IMAGINARY: 4,
        ImageKind.COMPLEX: 5,
    }
)
"""``ImageHeader.image_type``; a map of whatever quantity goes as a magnitude, and its attributes say what it is."""

LARGEST_INDEX = 0xFFFF
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What all images of a reply have in common."""

    recipe: str
    description: str
    """Of the series, as the rule words it."""
    measurement_uid: int


def image_messages(series: ImageSeries, number: int, told: Told, header: ScanHeader) -> Iterator[bytes]:
    """Write a series as IMAGE messages (1022), one for each frame; ``number`` tells it from the others, from 1 on."""
    kind = IMAGE_TYPES.get(series.kind, 1)
    is_complex = series.kind is ImageKind.COMPLEX
    for index, (frame, pixels) in enumerate(zip(series.frames, series.pixels, strict=True)):
        attributes = write_attributes(_attributes_of(series, frame, told, header))
        head = _head(series, frame, pixels.shape)
        head["data_type"], head["image_type"] = (COMPLEX if is_complex else FLOAT), kind
        head["measurement_uid"] = told.measurement_uid
        head["image_index"], head["image_series_index"] = index % LARGEST_INDEX + 1, number
        head["attribute_string_len"] = len(attributes)
        body = np.ascontiguousarray(pixels, "<c8" if is_complex else "<f4").tobytes()
        yield struct.pack("<H", MessageId.IMAGE) + head.tobytes() + struct.pack("<Q", len(attributes)) + attributes
        yield body


def _head(series: ImageSeries, frame: Frame, shape: tuple[int, ...]) -> np.ndarray[Any, np.dtype[Any]]:
    head = np.zeros((), IMAGE_HEADER)
    n_y, n_x = shape
    spacing = series.spacing_mm
    head["version"], head["channels"] = 1, 1
    head["matrix_size"] = (n_x, n_y, 1)
    head["field_of_view"] = (n_x * spacing.x, n_y * spacing.y, spacing.z)
    head["position"] = frame.position_mm
    for name in ("read_dir", "phase_dir", "slice_dir", "slice", "contrast", "phase", "repetition", "set"):
        head[name] = getattr(frame, name)
    head["acquisition_time_stamp"] = frame.acquisition_time_stamp
    head["physiology_time_stamp"][0] = frame.physiology_time_stamp
    return head


def _attributes_of(
    series: ImageSeries, frame: Frame, told: Told, header: ScanHeader
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Say what an exporter wants to know of an image (mrd_image_data.md); never who the patient is."""
    yield "DataRole", ("Image",) if series.kind in IMAGE_TYPES else ("Quantitative", str(series.kind))
    yield "ImageProcessingHistory", ("GATEWAY", told.recipe.upper())
    yield "SequenceDescriptionAdditional", (told.recipe,)
    yield "SeriesDescription", (told.description,)
    yield "ImageComments", (str(series.kind), *series.notes)
    yield "Keep_image_geometry", ("1",)
    yield "ImageRowDir", _numbers(frame.read_dir)
    yield "ImageColumnDir", _numbers(frame.phase_dir)
    yield "ImageSliceDir", _numbers(frame.slice_dir)
    echo_times, inversion_times = header.sequence.echo_time_ms, header.sequence.inversion_time_ms
    if frame.contrast < len(echo_times):
        yield "EchoTime", (f"{echo_times[frame.contrast]:g}",)
    if inversion_times:
        yield "InversionTime", (f"{inversion_times[min(frame.set, len(inversion_times) - 1)]:g}",)


def _numbers(vector: Vector) -> tuple[str, ...]:
    return tuple(f"{value:.9g}" for value in vector)


def write_attributes(attributes: Iterator[tuple[str, tuple[str, ...]]]) -> bytes:
    """Write attributes as a MetaContainer (ismrmrd/meta.h): XML, each name with one value or several."""
    lines = ['<?xml version="1.0"?>', "<ismrmrdMeta>"]
    for name, values in attributes:
        told = "".join(f"<value>{escape(_NOT_XML.sub(' ', value))}</value>" for value in values)
        lines.append(f"<meta><name>{escape(name)}</name>{told}</meta>")
    return "\n".join([*lines, "</ismrmrdMeta>", ""]).encode()
