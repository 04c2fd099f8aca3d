"""Where each attribute of our objects comes from, found out by trying: whatever changes it is its source.

Nothing is listed by hand: a series is built from a header with everything in it, then again with one thing changed or
left out, and what differs depends on that thing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from gateway.dicom.plan import SeriesPlan
from gateway.dicom.series import build_series
from gateway.model.form import ObjectFormat
from gateway.model.header import (
    Diffusion,
    Encoding,
    Limit,
    Measurement,
    ScanHeader,
    Sequence,
    Space,
    Study,
    Subject,
    System,
)
from gateway.model.identity import Identity
from gateway.model.image import Frame, ImageKind, ImageSeries
from gateway.model.zyx import Zyx

Values = Mapping[str, tuple[str, str, str]]
"""By the names of an attribute and the sequences around it: tag, VR and value."""

LONGEST = 4
"""Sources that a row names one by one."""

SAMPLES: Mapping[str, Mapping[str, tuple[Any, Any]]] = MappingProxyType(
    {
        "subject": {
            "patient_name": ("Doe^Jane", "Roe^Ann"),
            "patient_id": ("17", "18"),
            "birth_date": ("1970-02-03", "1971-03-04"),
            "sex": ("F", "M"),
            "weight_kg": (70.0, 80.0),
            "height_m": (1.7, 1.8),
        },
        "study": {
            "instance_uid": ("1.2.3", "1.2.4"),
            "study_id": ("S1", "S2"),
            "accession_number": ("A1", "A2"),
            "date": ("2024-05-06", "2024-06-07"),
            "time": ("12:13:14", "13:14:15"),
            "description": ("one", "two"),
            "referring_physician": ("Grey^Eve", "Brown^Eve"),
            "body_part": ("KNEE LEFT", "BRAIN"),
        },
        "measurement": {
            "measurement_id": ("m1", "m2"),
            "series_date": ("2024-05-06", "2024-06-07"),
            "series_time": ("12:15:00", "13:15:00"),
            "patient_position": ("HFS", "FFS"),
            "initial_series_number": (4, 5),
            "protocol_name": ("p1", "p2"),
            "sequence_name": ("s1", "s2"),
            "series_description": ("d1", "d2"),
            "frame_of_reference_uid": ("1.2.5", "1.2.6"),
        },
        "system": {
            "vendor": ("SIEMENS", "OTHER"),
            "model": ("M1", "M2"),
            "station_name": ("MR1", "MR2"),
            "institution_name": ("I1", "I2"),
            "device_id": ("D1", "D2"),
            "device_serial": ("N1", "N2"),
            "field_strength_t": (3.0, 1.5),
            "h1_frequency_hz": (123.2e6, 63.9e6),
        },
        "sequence": {
            "sequence_type": ("SE IR", "Flash"),
            "repetition_time_ms": ((500.0,), (600.0,)),
            "echo_time_ms": ((10.0,), (20.0,)),
            "inversion_time_ms": ((90.0,), (80.0,)),
            "flip_angle_deg": ((15.0,), (25.0,)),
            "diffusion_dimension": ("repetition", "segment"),
            "diffusion": (
                (Diffusion(b_value_s_per_mm2=500.0, direction=(1.0, 0.0, 0.0)),),
                (Diffusion(b_value_s_per_mm2=900.0, direction=(0.0, 1.0, 0.0)),),
            ),
        },
    }
)
"""By section and field of the header: what it says, and what it says instead."""

SEQUENCE_PATHS: Mapping[str, str] = MappingProxyType(
    {
        "sequence_type": "sequenceParameters/sequence_type",
        "repetition_time_ms": "sequenceParameters/TR",
        "echo_time_ms": "sequenceParameters/TE",
        "inversion_time_ms": "sequenceParameters/TI",
        "flip_angle_deg": "sequenceParameters/flipAngle_deg",
        "diffusion_dimension": "sequenceParameters/diffusionDimension",
        "diffusion": "sequenceParameters/diffusion",
    }
)
"""Elements of which there may be several, by field."""

_SECTIONS = {"subject": Subject, "study": Study, "measurement": Measurement, "system": System, "sequence": Sequence}

_PLAN = SeriesPlan(
    recording_digest="ab" * 32,
    rule="rule",
    recipe="recipe",
    recipe_fingerprint="0",
    description="description",
    received_at=datetime(2024, 5, 6, 12, tzinfo=UTC),
)

_DIRECTIONS: dict[str, Any] = {"read_dir": (1.0, 0.0, 0.0), "phase_dir": (0.0, 1.0, 0.0), "slice_dir": (0.0, 0.0, 1.0)}


def attribute_page(paths: Mapping[str, Mapping[str, tuple[str, object]]]) -> str:
    """Write the tables (PS3.2 N.8): every attribute of every kind of object, and where it comes from.

    Parameters
    ----------
    paths
        By section and field of the header: path of the element in the MRD schema.
    """
    parts = [_INTRODUCTION]
    for form in ObjectFormat:
        parts += [
            f"## {_TITLES[form]}",
            "| tag | attribute | VR | from |\n|---|---|---|---|\n" + "\n".join(_rows(form, paths)),
        ]
    return "\n\n".join(parts)


_TITLES = {ObjectFormat.CLASSIC: "MR Image Storage", ObjectFormat.ENHANCED: "Enhanced MR Image Storage"}

_INTRODUCTION = """\
# Attributes and their sources

Part of the [conformance statement](conformance.md) (PS3.2 N.8). Each attribute that the gateway writes, found out by
building a series and changing one source after the other. *PACS or worklist* is the identity that was looked up or
chosen (`identity` of a rule); it takes the place of the header's. *Routes* are rule and recipe, *arrival* the moment at
which the scan was received, *images* pixels, geometry and clock of the readouts. *Constant* depends on nothing."""


def _rows(form: ObjectFormat, paths: Mapping[str, Mapping[str, tuple[str, object]]]) -> Iterator[str]:
    found: dict[str, list[str]] = {}
    whole = _built(_header(), _PLAN, _images(), form)
    known = dict(whole)
    for source, values in _changed(form, paths):
        known = {**values, **known}
        for name in {**values, **whole}:
            if values.get(name) != whole.get(name) and source not in found.setdefault(name, []):
                found[name].append(source)
    for name, (tag, vr, _) in sorted(known.items(), key=lambda one: (one[0].count(">"), one[1][0], one[0])):
        yield f"| {tag} | {name} | {vr} | {_told(found.get(name, []))} |"


def _told(sources: list[str]) -> str:
    more = len(sources) - LONGEST
    return ", ".join(sources[:LONGEST] + ([f"{more} more"] if more > 0 else [])) or "constant"


def _changed(form: ObjectFormat, paths: Mapping[str, Mapping[str, tuple[str, object]]]) -> Iterator[tuple[str, Values]]:
    """Build with one source after the other changed, and with it left out."""
    header, images = _header(), _images()
    for section, fields in SAMPLES.items():
        for field, (_, other) in fields.items():
            source = f"`{paths[section][field][0] if section in paths else SEQUENCE_PATHS[field]}`"
            empty: Any = () if isinstance(other, tuple) else None
            for value in (other, empty):
                part = replace(getattr(header, section), **{field: value})
                yield source, _built(replace(header, **{section: part}), _PLAN, images, form)
    encoding = header.encodings[0]
    for trajectory, train in (("radial", 3), ("cartesian", 7), ("epi", 3)):
        other_way = replace(encoding, trajectory=trajectory, echo_train_length=train, limits={})
        yield "`encoding`", _built(replace(header, encodings=(other_way,)), _PLAN, images, form)
    identity = Identity(
        study_instance_uid="1.2.9", patient_name="Who^Else", patient_id="99", requested_procedure_id="R1"
    )
    full = {one: getattr(identity, one) or "X1" for one in Identity.__dataclass_fields__}
    full |= {"birth_date": "19800101", "sex": "O", "study_date": "20240101", "study_time": "101010"}
    yield "PACS or worklist", _built(header, replace(_PLAN, identity=Identity(**full)), images, form)
    for plan in (replace(_PLAN, recipe="other", rule="other", description="other"), replace(_PLAN, output_index=1)):
        yield "routes", _built(header, plan, images, form)
    elsewhere = (_PLAN.received_at + timedelta(days=1, hours=1)).astimezone(timezone(timedelta(hours=2)))
    late = replace(_PLAN, received_at=elsewhere)
    yield "arrival", _built(header, late, images, form)
    for other_images in _other_images(images):
        yield "images", _built(header, _PLAN, other_images, form)


def _other_images(images: ImageSeries) -> Iterator[ImageSeries]:
    moved = tuple(
        replace(frame, position_mm=(5.0, 6.0, 7.0 * number), acquisition_time_stamp=900 * number + 1, repetition=number)
        for number, frame in enumerate(images.frames)
    )
    turned = tuple(replace(frame, read_dir=(0.0, 1.0, 0.0), phase_dir=(1.0, 0.0, 0.0)) for frame in moved)
    yield replace(
        images, frames=moved, three_dimensional=True, n_lines=3, notes=("noted",), spacing_mm=Zyx(z=2.0, y=2.0, x=1.5)
    )
    yield replace(images, pixels=images.pixels / 100, kind=ImageKind.PHASE)
    yield replace(images, frames=turned, pixels=images.pixels[:, :4, :6] ** 2, dwell_time_us=9.0)


def _header() -> ScanHeader:
    parts = {
        name: _SECTIONS[name](**{field: sample for field, (sample, _) in fields.items()})
        for name, fields in SAMPLES.items()
    }
    space = Space(matrix=Zyx(z=1, y=6, x=8), fov_mm=Zyx(z=4.0, y=60.0, x=80.0))
    limits = {
        "kspace_encoding_step_1": Limit(minimum=0, maximum=5, center=3),
        "average": Limit(minimum=0, maximum=1, center=0),
    }
    encoding = Encoding(trajectory="cartesian", encoded=space, recon=space, limits=limits, echo_train_length=1)
    return ScanHeader(encodings=(encoding,), **parts)


def _images() -> ImageSeries:
    frames = tuple(
        Frame(
            position_mm=(0.0, 0.0, 5.0 * number),
            slice=number,
            acquisition_time_stamp=16_000_000 + number,
            **_DIRECTIONS,
        )
        for number in range(2)
    )
    return ImageSeries(
        pixels=np.arange(96, dtype=np.float32).reshape(2, 6, 8) + 1,
        frames=frames,
        spacing_mm=Zyx(z=4.0, y=10.0, x=10.0),
        n_coils=2,
        n_lines=6,
        encoded_lines=6,
        dwell_time_us=5.0,
        readout_samples=16,
    )


def _built(header: ScanHeader, plan: SeriesPlan, images: ImageSeries, form: ObjectFormat) -> Values:
    """Collect every attribute of the last object."""
    return dict(_flat("", build_series(images, header, replace(plan, format=form))[-1]))


def _flat(around: str, ds: Dataset) -> Iterator[tuple[str, tuple[str, str, str]]]:
    for element in ds:
        name = f"{around}{element.keyword}"
        tag = f"({element.tag.group:04X},{element.tag.element:04X})"
        yield name, (tag, str(element.VR), "" if element.VR == "SQ" else str(element.value))
        if element.VR == "SQ":
            for item in element.value:
                yield from _flat(f"{name} > ", item)
