"""Series of every sort that the gateway can write, by name: what checkers and viewers of others are shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gateway.dicom.kinds import KINDS
from gateway.dicom.series import build_series, write_series
from gateway.model.form import Compression, ObjectFormat
from gateway.model.header import Diffusion, Limit, ScanHeader, Sequence as MrSequence
from gateway.model.image import Frame, ImageKind, ImageSeries
from gateway.model.learned import LearnedModel
from gateway.model.zyx import Zyx
from tests.dicom import scans
from tests.dicom.outbox import Written
from tests.dicom.scans import ORIENTATIONS

MODEL = LearnedModel(name="varnet-knee", version="2.1", weights_sha256="cafe" * 16, trained_for="Knee, 4x, 3 T.")


def oblique_stack(
    seed: int, orientation: int = 0, degrees: float = 25.0
) -> tuple[ImageSeries, npt.NDArray[np.float64]]:
    """A double oblique stack with a gap, a matrix and pixels that are not square; and the directions it lies in."""
    rng = np.random.default_rng(seed)
    directions = ORIENTATIONS[orientation] @ scans.rotation(rng, degrees)
    where = scans.frames(directions, [5.5 * number for number in range(7)], centre_mm=(12.3, -45.6, 78.9))
    pixels = rng.random((7, 20, 32), dtype=np.float32)
    return scans.images(pixels, where, Zyx(z=4.0, y=1.7, x=0.9)), directions


def many(*counters: str, n: int = 3) -> ImageSeries:
    """Three slices, measured so many times for every combination of the counters, as a scanner interleaves them."""
    frames = scans.frames(np.eye(3), (0.0, 5.0, 10.0))
    for counter in counters:
        frames = tuple(again(frame, counter, number) for frame in frames for number in range(n))
    return scans.images(where=tuple(replace(frame, physiology_time_stamp=20 * frame.phase) for frame in frames))


def again(frame: Frame, counter: str, number: int) -> Frame:
    """Measure a frame once more, some seconds later."""
    fields: dict[str, Any] = {counter: number, "acquisition_time_stamp": frame.acquisition_time_stamp + 1000 * number}
    return replace(frame, **fields)


def of_kind(kind: ImageKind) -> ImageSeries:
    """Three slices of a kind, with values that it can have."""
    row = KINDS[kind]
    pixels = scans.images().pixels * (2.0 if row.unit is None else 2000.0 / row.unit.steps)
    return replace(scans.images(), kind=kind, pixels=(pixels - pixels.mean() if row.signed else pixels))


def header_with(limits: Mapping[str, Limit] | None = None, **sequence: Any) -> ScanHeader:  # noqa: ANN401
    """The full header with limits, and with another sequence where one is given."""
    header = scans.header()
    encoding = replace(header.encodings[0], limits=limits or {})
    return replace(header, encodings=(encoding,), sequence=replace(header.sequence, **sequence))


def localizer() -> ImageSeries:
    """Three crossing planes of a matrix that is not square."""
    planes = (ORIENTATIONS[0], ORIENTATIONS[16], ORIENTATIONS[32])
    return scans.images(where=tuple(replace(scans.frames(plane)[0], slice=n) for n, plane in enumerate(planes)))


_FULL = scans.header()
_ACCELERATED = replace(_FULL.encodings[0], acceleration=Zyx(z=1.0, y=2.0, x=1.0), limits={})
_TIMES = tuple(10.0 * n for n in range(1, 4))

WEIGHTINGS = (
    Diffusion(b_value_s_per_mm2=0.0),
    Diffusion(b_value_s_per_mm2=1000.0, direction=(1.0, 0.0, 0.0)),
    Diffusion(b_value_s_per_mm2=1000.0, direction=(0.0, 0.6, -0.8)),
)

VARIANTS: Mapping[str, tuple[ImageSeries, ScanHeader]] = {
    "oblique": (oblique_stack(1)[0], _FULL),
    "one slice": (scans.images(where=scans.frames(np.eye(3))), _FULL),
    "3D": (replace(scans.images(), three_dimensional=True), _FULL),
    "localizer": (localizer(), _FULL),
    "large": (scans.images(np.random.default_rng(5).random((3, 40, 36), dtype=np.float32)), _FULL),
    "large phase": (
        replace(scans.images(np.random.default_rng(6).random((3, 40, 36), dtype=np.float32)), kind=ImageKind.PHASE),
        _FULL,
    ),
    "uneven gaps": (scans.images(where=scans.frames(np.eye(3), (0.0, 5.0, 12.0))), _FULL),
    "ascii": (scans.images(), replace(_FULL, subject=replace(_FULL.subject, patient_name="Doe^Jane"))),
    "dynamic": (many("repetition"), _FULL),
    "echoes": (many("contrast"), header_with(echo_time_ms=_TIMES)),
    "echoes without times": (many("contrast"), header_with(echo_time_ms=())),
    "cine": (many("phase"), header_with({"phase": Limit(minimum=0, maximum=2, center=0)})),
    "sets": (many("set"), _FULL),
    "everything at once": (many("repetition", "contrast", "set", n=2), header_with(echo_time_ms=_TIMES)),
    "diffusion": (many("repetition"), header_with(diffusion_dimension="repetition", diffusion=WEIGHTINGS)),
    "inversion": (many("set"), header_with(sequence_type="IR_TSE", inversion_time_ms=_TIMES)),
    "inversion without a time": (scans.images(), header_with(sequence_type="IR_TSE")),
    "unknown sequence": (scans.images(), replace(_FULL, sequence=MrSequence())),
    "echo planar": (
        scans.images(),
        replace(_FULL, encodings=(replace(_FULL.encodings[0], trajectory="epi"),)),
    ),
    "radial": (scans.images(), replace(_FULL, encodings=(replace(_FULL.encodings[0], trajectory="radial"),))),
    "accelerated": (scans.images(), replace(_FULL, encodings=(_ACCELERATED,))),
    "averaged": (scans.images(), header_with({"average": Limit(minimum=0, maximum=3, center=0)})),
    "partial Fourier": (
        scans.images(),
        header_with({"kspace_encoding_step_1": Limit(minimum=0, maximum=95, center=64)}),
    ),
    "one coil": (scans.images(), replace(_FULL, system=replace(_FULL.system, coil_names={0: "Head_32:1:H1"}))),
    "left knee": (scans.images(), scans.with_study(body_part="LEFT KNEE")),
    "a knee": (scans.images(), scans.with_study(body_part="KNEE")),
    "no body part": (scans.images(), scans.with_study(body_part=None)),
    "without a study UID": (scans.images(), scans.with_study(instance_uid="XXXX")),
    "learned": (replace(scans.images(), model=MODEL), _FULL),
    **{f"kind {kind}": (of_kind(kind), _FULL) for kind in KINDS if kind is not ImageKind.MAGNITUDE},
}


def written(
    name: str,
    outbox: Path,
    format_: ObjectFormat = ObjectFormat.CLASSIC,
    compression: Compression = Compression.NONE,
    index: int = 0,
) -> Written:
    """Write a variant as `store` takes it; the index sets the series of one study apart."""
    images, header = VARIANTS[name]
    plan = replace(scans.plan(), format=format_, model=images.model, output_index=index)
    series = write_series(build_series(images, header, plan), outbox, lambda _done, _of: None, compression)
    return [(instance, outbox / instance.path) for instance in series.instances]
