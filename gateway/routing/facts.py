"""What is known of a scan before it is reconstructed: all that rules can match."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from gateway.model.header import ScanHeader


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Field by field as rules can match it; None is not known. Never who the patient is."""

    vendor: str | None = None
    model: str | None = None
    station: str | None = None
    institution: str | None = None
    field_strength_t: float | None = None
    n_coils: float | None = None
    protocol: str | None = None
    sequence: str | None = None
    trajectory: str | None = None
    acceleration: float | None = None
    body_part: str | None = None
    patient_position: str | None = None
    study_description: str | None = None
    source: str | None = None
    recipe_asked: str | None = None

    def known(self) -> dict[str, str | float]:
        """Collect what is known, text in lower case: as `Match.takes` wants it."""
        given = ((name, getattr(self, name)) for name in self.__slots__)
        return {name: fact.lower() if isinstance(fact, str) else fact for name, fact in given if fact is not None}

    def told(self) -> dict[str, str]:
        """Write what is known as text, as a list shows it; `facts_told` reads it again."""
        given = ((name, getattr(self, name)) for name in self.__slots__)
        return {name: fact if isinstance(fact, str) else _short(fact) for name, fact in given if fact is not None}


def _short(number: float) -> str:
    """Write a number so that it can be read again, as short as people write it where that is the same."""
    return short if float(short := f"{number:g}") == number else repr(number)


NUMBERS = frozenset(field.name for field in fields(Facts) if "float" in str(field.type))
"""The facts that are numbers."""


def facts_told(told: Mapping[str, str]) -> Facts:
    """Read facts that were written as text; names that rules do not know are passed over."""
    known = {field.name for field in fields(Facts)} & told.keys()
    return Facts(**{name: float(told[name]) if name in NUMBERS else told[name] for name in known})  # type: ignore[arg-type]


def facts_of(header: ScanHeader, *, source: str, recipe_asked: str) -> Facts:
    """Collect what rules can match; empty text counts as not known.

    Parameters
    ----------
    source
        Address the scan came from, without its port.
    recipe_asked
        Configuration name that the client sent.
    """
    measurement, system, study = header.measurement, header.system, header.study
    encoding = header.encodings[0] if header.encodings else None
    return Facts(
        vendor=system.vendor or None,
        model=system.model or None,
        station=system.station_name or None,
        institution=system.institution_name or None,
        field_strength_t=system.field_strength_t,
        n_coils=None if system.receiver_channels is None else float(system.receiver_channels),
        protocol=measurement.protocol_name or None,
        sequence=measurement.sequence_name or header.sequence.sequence_type or None,
        trajectory=(encoding.trajectory or None) if encoding else None,
        acceleration=encoding.acceleration.y * encoding.acceleration.z if encoding else None,
        body_part=study.body_part or None,
        patient_position=measurement.patient_position or None,
        study_description=study.description or None,
        source=source or None,
        recipe_asked=recipe_asked or None,
    )
