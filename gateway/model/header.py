"""What the MRD header of a scan says (ISMRMRD schema, ``ismrmrd.xsd``), as frozen values.

Everything but the encoding is optional on the wire, so it is here. Text is kept as sent: an accession number keeps its
leading zeros, a date is not yet a date. Lengths are mm, times ms, fields tesla, angles degrees.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gateway.model.zyx import Zyx


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """``subjectInformation``."""

    patient_name: str | None = None
    patient_id: str | None = None
    birth_date: str | None = None
    sex: str | None = None
    weight_kg: float | None = None
    height_m: float | None = None
    age: str | None = None
    """As DICOM writes it; only where the birth date must not be known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """``studyInformation``."""

    instance_uid: str | None = None
    study_id: str | None = None
    accession_number: str | None = None
    date: str | None = None
    time: str | None = None
    description: str | None = None
    referring_physician: str | None = None
    body_part: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """``measurementInformation``."""

    measurement_id: str | None = None
    series_date: str | None = None
    series_time: str | None = None
    patient_position: str | None = None
    table_x_mm: float | None = None
    table_y_mm: float | None = None
    table_z_mm: float | None = None
    """``relativeTablePosition``: how far the table had gone from where positions count from, as the exporter has it."""
    initial_series_number: int | None = None
    protocol_name: str | None = None
    sequence_name: str | None = None
    series_description: str | None = None
    frame_of_reference_uid: str | None = None
    dependencies: Mapping[str, str] = field(default_factory=dict)
    """Dependency type (``Noise``, ``SenMap``) to the measurementID it names."""

    @property
    def table_mm(self) -> tuple[float, float, float] | None:
        """Where the table stood; nothing where it is not said whole."""
        x, y, z = self.table_x_mm, self.table_y_mm, self.table_z_mm
        return None if x is None or y is None or z is None else (x, y, z)


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """``acquisitionSystemInformation`` and ``experimentalConditions``."""

    vendor: str | None = None
    model: str | None = None
    station_name: str | None = None
    institution_name: str | None = None
    device_id: str | None = None
    device_serial: str | None = None
    field_strength_t: float | None = None
    h1_frequency_hz: float | None = None
    receiver_channels: int | None = None
    noise_bandwidth: float | None = None
    coil_names: Mapping[int, str] = field(default_factory=dict)
    """Coil number to coil name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diffusion:
    """One weighting of ``sequenceParameters/diffusion``."""

    b_value_s_per_mm2: float
    direction: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Of the gradient: to the left, to the back, to the head; without a length where there was none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """``sequenceParameters``; the lists go by contrast (echo) or set."""

    sequence_type: str | None = None
    repetition_time_ms: tuple[float, ...] = ()
    echo_time_ms: tuple[float, ...] = ()
    inversion_time_ms: tuple[float, ...] = ()
    flip_angle_deg: tuple[float, ...] = ()
    diffusion_dimension: str | None = None
    """Counter by which ``diffusion`` goes: ``repetition``, ``set``, ..."""
    diffusion: tuple[Diffusion, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """A matrix and the field of view it covers. In 2D, ``fov_mm.z`` is the slice thickness; in 3D, the slab's."""

    matrix: Zyx[int]
    fov_mm: Zyx[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """Range of one encoding counter; ``center`` is the index at which k-space has its centre."""

    minimum: int
    maximum: int
    center: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """One ``encoding``: how k-space was covered and which image is wanted."""

    trajectory: str
    encoded: Space
    recon: Space
    limits: Mapping[str, Limit] = field(default_factory=dict)
    """By the schema's name: ``kspace_encoding_step_1``, ``slice``, ``repetition``, ..."""
    acceleration: Zyx[float] = field(default_factory=lambda: Zyx(z=1.0, y=1.0, x=1.0))
    calibration_mode: str | None = None
    multiband_factor: int | None = None
    echo_train_length: int | None = None
    trajectory_parameters: Mapping[str, float] = field(default_factory=dict)
    """Numbers of ``trajectoryDescription`` by their names; for EPI, times in us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanHeader:
    """The whole header."""

    encodings: tuple[Encoding, ...]
    subject: Subject = field(default_factory=Subject)
    study: Study = field(default_factory=Study)
    measurement: Measurement = field(default_factory=Measurement)
    system: System = field(default_factory=System)
    sequence: Sequence = field(default_factory=Sequence)
    user_parameters: Mapping[str, str] = field(default_factory=dict)
    """``userParameters`` of every type, as text, by name."""
    faults: tuple[str, ...] = ()
    """Optional fields that were there but unreadable, by path; their values are left out."""

    def led_by(self, number: int) -> ScanHeader:
        """Let an encoding change places with the first, which is the one of the image."""
        if number == 0:
            return self
        order = list(self.encodings)
        order[0], order[number] = order[number], order[0]
        return replace(self, encodings=tuple(order))
