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
from gateway.dicom.kinds import KINDS
from gateway.model.header import Encoding, ScanHeader, System
from gateway.model.image import Frame, ImageSeries

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
    row, encoding = KINDS[images.kind], header.encodings[0]
    ds.ImageType = ["DERIVED" if row.derived else "ORIGINAL", "PRIMARY", row.flavor, row.mark]
    ds.ScanningSequence, ds.SequenceVariant = scanning_sequence(header.sequence.sequence_type, encoding.trajectory)
    ds.ScanOptions = scan_options(header) or None
    ds.MRAcquisitionType = "3D" if images.three_dimensional else "2D"
    ds.EchoTrainLength = values.integer(encoding.echo_train_length)
    ds.SliceThickness = values.decimal(images.spacing_mm.z, positive=True)
    put_known(
        ds,
        NumberOfPhaseEncodingSteps=values.integer(images.n_lines) or None,
        PercentSampling=values.decimal(percent_sampling(images)),
        PercentPhaseFieldOfView=values.decimal(percent_phase_field_of_view(encoding), positive=True),
        PixelBandwidth=values.decimal(pixel_bandwidth_hz(images)),
        NumberOfAverages=values.decimal(number_of_averages(encoding), positive=True),
        MagneticFieldStrength=values.decimal(header.system.field_strength_t, positive=True),
        ImagingFrequency=values.decimal(imaging_frequency_mhz(header.system), positive=True),
        ImagedNucleus=nucleus(header.system),
        ReceiveCoilName=receive_coil_name(header.system),
        CardiacNumberOfImages=cardiac_phases(header) if gated(header) else None,
    )


def scanning_sequence(sequence_type: str | None, trajectory: str) -> tuple[str | list[str], str]:
    """Look up Scanning Sequence and Sequence Variant; an inversion is added to what else is known."""
    asked = sequence_type or ""
    plain = re.sub(r"[^a-z]", "", INVERSION.sub("", asked).lower())
    default = SEQUENCES["epi"] if trajectory.lower() == "epi" else UNKNOWN_SEQUENCE
    scanning, variant = SEQUENCES.get(plain, default)
    if not inverts(asked):
        return scanning, variant
    return ("IR" if scanning == "RM" else [scanning, "IR"]), variant


def scan_options(header: ScanHeader) -> list[str]:
    """List what the scan did besides its sequence: partial Fourier along the phase, cardiac gating."""
    known = {"PFP": partial_fourier(header.encodings[0]), "CG": gated(header)}
    return [option for option, done in known.items() if done]


def cardiac_phases(header: ScanHeader) -> int:
    """Count the cardiac phases by the limits of the encoding."""
    phases = header.encodings[0].limits.get("phase")
    return phases.maximum + 1 if phases else 1


def gated(header: ScanHeader) -> bool:
    """Say whether the images have a delay after the R wave: of the clocks, only Siemens' has a known unit."""
    return cardiac_phases(header) > 1 and _siemens(header.system.vendor)


def inverts(sequence_type: str | None) -> bool:
    """Say whether the sequence begins with an inversion, by its name."""
    return INVERSION.search(sequence_type or "") is not None


def partial_fourier(encoding: Encoding) -> bool:
    """Say whether lines on one side of k-space were left out on purpose."""
    lines = encoding.limits.get("kspace_encoding_step_1")
    if lines is None or not lines.minimum < lines.center < lines.maximum:
        return False
    shorter, longer = sorted((lines.center - lines.minimum, lines.maximum - lines.center))
    return shorter < PARTIAL_FOURIER * longer - 1


def percent_sampling(images: ImageSeries) -> float | None:
    """Compare the lines that were measured with those of k-space."""
    return 100 * images.n_lines / images.encoded_lines if 0 < images.n_lines <= images.encoded_lines else None


def percent_phase_field_of_view(encoding: Encoding) -> float | None:
    """Compare the field of view along the phase encoding with that along the readout."""
    fov = encoding.recon.fov_mm
    return 100 * fov.y / fov.x if fov.x > 0 else None


def pixel_bandwidth_hz(images: ImageSeries) -> float | None:
    """Derive the bandwidth of a pixel from how long a readout takes."""
    window_us = images.dwell_time_us * images.readout_samples
    return 1e6 / window_us if window_us > 0 else None


def number_of_averages(encoding: Encoding) -> float | None:
    """Count the averages, where the header does."""
    averages = encoding.limits.get("average")
    return averages.maximum + 1.0 if averages else None


def imaging_frequency_mhz(system: System) -> float | None:
    """Turn the precession frequency, which MRD has in Hz, into MHz."""
    return system.h1_frequency_hz / 1e6 if system.h1_frequency_hz is not None else None


def nucleus(system: System) -> str | None:
    """Name the nucleus: MRD knows the frequency of hydrogen alone."""
    return "1H" if system.h1_frequency_hz else None


def receive_coil_name(system: System) -> str | None:
    """Name the coil, where all its elements share a name: what stands before the colon (``Head_32:1:H12``)."""
    names = {name.partition(":")[0].strip() for name in system.coil_names.values()}
    return values.text(names.pop(), values.SHORT) if len(names) == 1 else None


def put_echo(ds: Dataset, frame: Frame, header: ScanHeader) -> None:
    """Fill what belongs to an echo, an inversion and a repetition: all images that share their counters have it."""
    sequence = header.sequence
    ds.RepetitionTime = values.decimal(one_or_nth(sequence.repetition_time_ms, frame.contrast), positive=True)
    ds.EchoTime = values.decimal(nth(sequence.echo_time_ms, frame.contrast), positive=True)
    ds.EchoNumbers = frame.contrast + 1
    ds.AcquisitionNumber = frame.repetition + 1
    if inverts(sequence.sequence_type):
        ds.InversionTime = values.decimal(inversion_time_ms(frame, header), positive=True)
    put_known(ds, FlipAngle=values.decimal(one_or_nth(sequence.flip_angle_deg, frame.contrast)))


def put_moment(ds: Dataset, frame: Frame, header: ScanHeader) -> None:
    """Fill when one image was measured."""
    day, time = acquired(frame, header)
    trigger_ms = values.decimal(trigger_time_ms(frame, header))
    put_known(ds, AcquisitionDate=day, AcquisitionTime=time, TriggerTime=trigger_ms)


def nth(listed: tuple[float, ...], index: int) -> float | None:
    """Take the value of one echo."""
    return listed[index] if index < len(listed) else None


def one_or_nth(listed: tuple[float, ...], index: int) -> float | None:
    """Take the value that holds for all where only one is listed."""
    return listed[0] if len(listed) == 1 else nth(listed, index)


def inversion_time_ms(frame: Frame, header: ScanHeader) -> float | None:
    """Take the delay after the inversion, which goes by set or by echo."""
    return one_or_nth(header.sequence.inversion_time_ms, frame.set or frame.contrast)


def acquired(frame: Frame, header: ScanHeader) -> tuple[str | None, str | None]:
    """Say on which day (DA) and at what time (TM) the first readout of an image was measured."""
    began, time = header.measurement, acquisition_time(frame.acquisition_time_stamp, header.system.vendor)
    begun_on, begun_at = values.calendar_date(began.series_date), values.time_of_day(began.series_time)
    return values.day_of(time, begun_on=begun_on, begun_at=begun_at), time


def acquisition_moment(frame: Frame, header: ScanHeader) -> str | None:
    """Say when the first readout of an image was measured, as one moment (DT)."""
    day, time = acquired(frame, header)
    return f"{day}{time}" if day and time else None


def acquisition_time(stamp: int, vendor: str | None) -> str | None:
    """Read the scanner's clock as a time of day (TM); only Siemens' clock has a known meaning."""
    milliseconds = stamp * SIEMENS_TICK_MS
    if not _siemens(vendor) or not 0 < milliseconds < _DAY_MS:
        return None
    seconds, rest_us = divmod(round(milliseconds * 1000), 1_000_000)
    return f"{seconds // 3600:02d}{seconds // 60 % 60:02d}{seconds % 60:02d}.{rest_us:06d}"


def _siemens(vendor: str | None) -> bool:
    return "siemens" in (vendor or "").lower()


def trigger_time_ms(frame: Frame, header: ScanHeader) -> float | None:
    """Measure the delay after the R wave, where the scan has cardiac phases."""
    return frame.physiology_time_stamp * SIEMENS_TICK_MS if gated(header) else None


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


def phase_direction(trajectory: str, *, transposed: bool) -> str | None:
    """Say which way phase was encoded, where k-space has lines: down the columns, until the image is transposed."""
    if trajectory.lower() not in LINE_BY_LINE:
        return None
    return "ROW" if transposed else "COL"
