"""The MR Image module of a series (PS3.3 C.8.3.1): sequence, timing, sampling."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from itertools import pairwise
from types import MappingProxyType

from pydicom.dataset import Dataset

from gateway.dicom import values
from gateway.dicom.attributes import put_known
from gateway.model.header import Encoding, Limit, ScanHeader, System
from gateway.model.image import Frame, ImageKind, ImageSeries

SEQUENCES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "flash": ("GR", "SP"),
        "spgr": ("GR", "SP"),
        "gre": ("GR", "NONE"),
        "gradientecho": ("GR", "NONE"),
        "truefisp": ("GR", "SS"),
        "ssfp": ("GR", "SS"),
        "bssfp": ("GR", "SS"),
        "fiesta": ("GR", "SS"),
        "se": ("SE", "NONE"),
        "spinecho": ("SE", "NONE"),
        "tse": ("SE", "SK"),
        "fse": ("SE", "SK"),
        "turbospinecho": ("SE", "SK"),
        "fastspinecho": ("SE", "SK"),
        "epi": ("EP", "NONE"),
    }
)
"""``sequence_type``, small letters only, to Scanning Sequence and Sequence Variant."""

UNKNOWN_SEQUENCE = ("RM", "NONE")
"""Research mode: the legal way to say that it is not known."""

INVERSION = re.compile(r"(?i)inversion.?recovery|(?<![a-z])ir(?![a-z])")

IMAGE_TYPES: Mapping[ImageKind, tuple[str, ...]] = MappingProxyType(
    {
        ImageKind.MAGNITUDE: ("ORIGINAL", "PRIMARY", "OTHER", "M"),
        ImageKind.PHASE: ("ORIGINAL", "PRIMARY", "PHASE MAP", "P"),
        ImageKind.REAL: ("ORIGINAL", "PRIMARY", "OTHER", "R"),
        ImageKind.IMAGINARY: ("ORIGINAL", "PRIMARY", "OTHER", "I"),
        ImageKind.SNR: ("DERIVED", "PRIMARY", "OTHER", "SNR MAP"),
        ImageKind.NOISE: ("DERIVED", "PRIMARY", "OTHER", "NOISE MAP"),
        ImageKind.G_FACTOR: ("DERIVED", "PRIMARY", "OTHER", "G FACTOR MAP"),
    }
)
"""Images made from raw data are originals; value 3 is one of the classic IOD's terms, value 4 the part of the image."""

LINE_BY_LINE = frozenset({"cartesian", "epi"})

SIEMENS_TICK_MS = 2.5
"""Siemens stamps count from midnight in these; other vendors' stamps have no known unit and are not used."""

_DAY_MS = 24 * 60 * 60 * 1000

PACE_TOLERANCE = 0.05
"""Repetitions that differ by more of their length have no common one."""

PARTIAL_FOURIER = 0.9
"""Where the shorter side of k-space is below this part of the longer one, lines were left out on purpose."""


def put_series(ds: Dataset, images: ImageSeries, header: ScanHeader) -> None:
    """Fill what all images of the series share."""
    encoding = header.encodings[0]
    ds.ImageType = list(IMAGE_TYPES[images.kind])
    ds.ScanningSequence, ds.SequenceVariant = scanning_sequence(header.sequence.sequence_type, encoding.trajectory)
    ds.ScanOptions = "PFP" if _partial_fourier(encoding.limits.get("kspace_encoding_step_1")) else None
    ds.MRAcquisitionType = "3D" if images.three_dimensional else "2D"
    ds.EchoTrainLength = values.integer(encoding.echo_train_length)
    ds.SliceThickness = values.decimal(images.spacing_mm.z, positive=True)
    _put_sampling(ds, images, encoding)
    _put_field(ds, header.system)


def scanning_sequence(sequence_type: str | None, trajectory: str) -> tuple[str | list[str], str]:
    """Look up Scanning Sequence and Sequence Variant; an inversion is added to what else is known."""
    asked = sequence_type or ""
    plain = re.sub(r"[^a-z]", "", INVERSION.sub("", asked).lower())
    default = SEQUENCES["epi"] if trajectory.lower() == "epi" else UNKNOWN_SEQUENCE
    scanning, variant = SEQUENCES.get(plain, default)
    if not INVERSION.search(asked):
        return scanning, variant
    return ("IR" if scanning == "RM" else [scanning, "IR"]), variant


def _partial_fourier(lines: Limit | None) -> bool:
    if lines is None or not lines.minimum < lines.center < lines.maximum:
        return False
    shorter, longer = sorted((lines.center - lines.minimum, lines.maximum - lines.center))
    return shorter < PARTIAL_FOURIER * longer - 1


def _put_sampling(ds: Dataset, images: ImageSeries, encoding: Encoding) -> None:
    averages = encoding.limits.get("average")
    fov = encoding.recon.fov_mm
    lines, encoded = images.n_lines, images.encoded_lines
    window_us = images.dwell_time_us * images.readout_samples
    put_known(
        ds,
        NumberOfPhaseEncodingSteps=values.integer(lines) or None,
        PercentSampling=values.decimal(100 * lines / encoded) if 0 < lines <= encoded else None,
        PercentPhaseFieldOfView=values.decimal(100 * fov.y / fov.x, positive=True) if fov.x > 0 else None,
        PixelBandwidth=values.decimal(1e6 / window_us) if window_us > 0 else None,
        NumberOfAverages=values.decimal(averages.maximum + 1, positive=True) if averages else None,
    )


def _put_field(ds: Dataset, system: System) -> None:
    hertz = system.h1_frequency_hz
    put_known(
        ds,
        MagneticFieldStrength=values.decimal(system.field_strength_t, positive=True),
        ImagingFrequency=values.decimal(hertz / 1e6, positive=True) if hertz is not None else None,
        ImagedNucleus="1H" if hertz else None,
    )


def put_frame(ds: Dataset, frame: Frame, header: ScanHeader) -> None:
    """Fill what belongs to one image: the times of its echo and of its acquisition."""
    sequence = header.sequence
    ds.RepetitionTime = values.decimal(_one_or_nth(sequence.repetition_time_ms, frame.contrast), positive=True)
    ds.EchoTime = values.decimal(_nth(sequence.echo_time_ms, frame.contrast), positive=True)
    ds.EchoNumbers = frame.contrast + 1
    ds.AcquisitionNumber = frame.repetition + 1
    if "IR" in ds.ScanningSequence:
        nth = frame.set or frame.contrast
        ds.InversionTime = values.decimal(_one_or_nth(sequence.inversion_time_ms, nth), positive=True)
    began, acquired = header.measurement, acquisition_time(frame.acquisition_time_stamp, header.system.vendor)
    begun_on, begun_at = values.calendar_date(began.series_date), values.time_of_day(began.series_time)
    put_known(
        ds,
        FlipAngle=values.decimal(_one_or_nth(sequence.flip_angle_deg, frame.contrast)),
        AcquisitionDate=values.day_of(acquired, begun_on=begun_on, begun_at=begun_at),
        AcquisitionTime=acquired,
        TriggerTime=_trigger_time(frame, header),
    )


def _nth(listed: tuple[float, ...], index: int) -> float | None:
    return listed[index] if index < len(listed) else None


def _one_or_nth(listed: tuple[float, ...], index: int) -> float | None:
    """Take the value that holds for all where only one is listed."""
    return listed[0] if len(listed) == 1 else _nth(listed, index)


def acquisition_time(stamp: int, vendor: str | None) -> str | None:
    """Read the scanner's clock as a time of day (TM); only Siemens' clock has a known meaning."""
    milliseconds = stamp * SIEMENS_TICK_MS
    if not _siemens(vendor) or not 0 < milliseconds < _DAY_MS:
        return None
    seconds, rest_us = divmod(round(milliseconds * 1000), 1_000_000)
    return f"{seconds // 3600:02d}{seconds // 60 % 60:02d}{seconds % 60:02d}.{rest_us:06d}"


def _siemens(vendor: str | None) -> bool:
    return "siemens" in (vendor or "").lower()


def _trigger_time(frame: Frame, header: ScanHeader) -> str | None:
    """Measure the delay after the R wave, where the scan has cardiac phases."""
    phases = header.encodings[0].limits.get("phase")
    if phases is None or phases.maximum == 0 or not _siemens(header.system.vendor):
        return None
    return values.decimal(frame.physiology_time_stamp * SIEMENS_TICK_MS)


def put_time_series(ds: Dataset, frame: Frame, repetitions: list[int], resolution_ms: float | None) -> None:
    """Say which repetition in the order of time this is, and how long one takes, where there are several."""
    if len(repetitions) > 1:
        ds.TemporalPositionIdentifier = repetitions.index(frame.repetition) + 1
        ds.NumberOfTemporalPositions = len(repetitions)
        put_known(ds, TemporalResolution=values.decimal(resolution_ms, positive=True))


def temporal_resolution_ms(frames: Iterable[Frame], vendor: str | None) -> float | None:
    """Measure the time from one repetition to the next; None where the clock has no known unit, or the pace changes."""
    begins: dict[int, int] = {}
    for frame in frames:
        begins[frame.repetition] = min(frame.acquisition_time_stamp, begins.get(frame.repetition, sys.maxsize))
    stamps = [begins[repetition] for repetition in sorted(begins)]
    paces = [later - earlier for earlier, later in pairwise(stamps)]
    if not _siemens(vendor) or not paces or max(paces) - min(paces) > PACE_TOLERANCE * max(paces):
        return None
    return SIEMENS_TICK_MS * sum(paces) / len(paces)


def put_phase_direction(ds: Dataset, trajectory: str, *, transposed: bool) -> None:
    """Say which way phase was encoded, where k-space has lines: down the columns, until the image is transposed."""
    if trajectory.lower() in LINE_BY_LINE:
        ds.InPlanePhaseEncodingDirection = "ROW" if transposed else "COL"
