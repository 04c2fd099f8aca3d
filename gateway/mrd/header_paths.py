"""Where the MRD schema (``ismrmrd.xsd``) keeps each field of `gateway.model.header`, and how its text reads."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

XMLNS = "http://www.ismrm.org/ISMRMRD"
ROOT = "ismrmrdHeader"
TRAJECTORY_DESCRIPTION = "trajectoryDescription"
"""Below an encoding."""
DIFFUSION = "sequenceParameters/diffusion"


def number(text: str) -> float:
    """Read a finite number."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


DIFFUSION_DIMENSIONS = frozenset(
    {"average", "contrast", "phase", "repetition", "set", "segment", *(f"user_{number}" for number in range(8))}
)


def diffusion_dimension(text: str) -> str:
    """Read a counter by which weightings go (``diffusionDimensionType``)."""
    if text not in DIFFUSION_DIMENSIONS:
        raise ValueError(text)
    return text


def b_value(text: str) -> float:
    """Read how strongly diffusion was weighted."""
    value = number(text)
    if value < 0:
        raise ValueError(text)
    return value


Field = tuple[str, Callable[[str], Any]]

FIELDS: Mapping[str, Mapping[str, Field]] = MappingProxyType(
    {
        "subject": {
            "patient_name": ("subjectInformation/patientName", str),
            "weight_kg": ("subjectInformation/patientWeight_kg", number),
            "height_m": ("subjectInformation/patientHeight_m", number),
            "patient_id": ("subjectInformation/patientID", str),
            "birth_date": ("subjectInformation/patientBirthdate", str),
            "sex": ("subjectInformation/patientGender", str),
        },
        "study": {
            "date": ("studyInformation/studyDate", str),
            "time": ("studyInformation/studyTime", str),
            "study_id": ("studyInformation/studyID", str),
            "accession_number": ("studyInformation/accessionNumber", str),
            "referring_physician": ("studyInformation/referringPhysicianName", str),
            "description": ("studyInformation/studyDescription", str),
            "instance_uid": ("studyInformation/studyInstanceUID", str),
            "body_part": ("studyInformation/bodyPartExamined", str),
        },
        "measurement": {
            "measurement_id": ("measurementInformation/measurementID", str),
            "series_date": ("measurementInformation/seriesDate", str),
            "series_time": ("measurementInformation/seriesTime", str),
            "patient_position": ("measurementInformation/patientPosition", str),
            "table_x_mm": ("measurementInformation/relativeTablePosition/x", number),
            "table_y_mm": ("measurementInformation/relativeTablePosition/y", number),
            "table_z_mm": ("measurementInformation/relativeTablePosition/z", number),
            "initial_series_number": ("measurementInformation/initialSeriesNumber", int),
            "protocol_name": ("measurementInformation/protocolName", str),
            "sequence_name": ("measurementInformation/sequenceName", str),
            "series_description": ("measurementInformation/seriesDescription", str),
            "frame_of_reference_uid": ("measurementInformation/frameOfReferenceUID", str),
        },
        "system": {
            "vendor": ("acquisitionSystemInformation/systemVendor", str),
            "model": ("acquisitionSystemInformation/systemModel", str),
            "field_strength_t": ("acquisitionSystemInformation/systemFieldStrength_T", number),
            "noise_bandwidth": ("acquisitionSystemInformation/relativeReceiverNoiseBandwidth", number),
            "receiver_channels": ("acquisitionSystemInformation/receiverChannels", int),
            "institution_name": ("acquisitionSystemInformation/institutionName", str),
            "station_name": ("acquisitionSystemInformation/stationName", str),
            "device_id": ("acquisitionSystemInformation/deviceID", str),
            "device_serial": ("acquisitionSystemInformation/deviceSerialNumber", str),
            "h1_frequency_hz": ("experimentalConditions/H1resonanceFrequency_Hz", number),
        },
    }
)
"""By section and field: path below the root, and how to read its text. The order is the schema's."""

ENCODING_LIMITS = (
    "kspace_encoding_step_0",
    "kspace_encoding_step_1",
    "kspace_encoding_step_2",
    "average",
    "slice",
    "contrast",
    "phase",
    "repetition",
    "set",
    "segment",
)
