"""What a rule asks of a scan: globs for text, ranges for numbers; and whether one rule asks for less than another."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import translate
from functools import cached_property
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

ANYTHING = "*"
"""The pattern that asks for nothing: it fits even what is not known."""

_WILD = re.compile(r"[*?\[]")

Number = Annotated[float, Field(allow_inf_nan=False)]


class Range(BaseModel):
    """Numbers between two ends, which belong to it; an end that is left out is open."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    at_least: Number | None = None
    """The smallest number that fits."""
    at_most: Number | None = None
    """The largest number that fits."""

    @model_validator(mode="after")
    def _holds_something(self) -> Self:
        if self.at_least is None and self.at_most is None:
            raise ValueError("needs at_least, at_most or both")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError("at_least must not be more than at_most: no number fits")
        return self

    def holds(self, number: float) -> bool:
        """Whether a number lies in it."""
        return (self.at_least is None or self.at_least <= number) and (self.at_most is None or number <= self.at_most)

    def within(self, other: Range) -> bool:
        """Whether every number in it lies in the other, too."""
        low = other.at_least is None or (self.at_least is not None and self.at_least >= other.at_least)
        return low and (other.at_most is None or (self.at_most is not None and self.at_most <= other.at_most))

    def __str__(self) -> str:
        if self.at_most is None:
            return f"at least {self.at_least:g}"
        return f"at most {self.at_most:g}" if self.at_least is None else f"{self.at_least:g} to {self.at_most:g}"


@dataclass(frozen=True, slots=True)
class Condition:
    """One field of a rule that asks for something."""

    field: str
    asked: str
    """As a sentence repeats it."""
    wanted: str | Range
    """A glob in lower case, or a range."""
    fits: Callable[[Any], object]
    """Whether a fact fits that is known, text in lower case."""
    literal: bool = False
    """Whether it wants one text and no other."""

    def covers(self, other: Condition) -> bool:
        """Whether everything that fits the other fits this; False where that is not certain."""
        if isinstance(self.wanted, Range):
            return isinstance(other.wanted, Range) and other.wanted.within(self.wanted)
        return self.wanted == other.wanted or (other.literal and not self.literal and bool(self.fits(other.wanted)))


class Match(BaseModel):
    """Which scans a rule is for: everything given here must fit, and a field left out fits everything.

    Text is compared with globs (``*``, ``?``, ``[abc]``; case does not matter), numbers with ranges such as
    ``{ at_least = 2.5, at_most = 3.5 }``. What the header does not say fits neither.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    vendor: str | None = None
    """Maker of the scanner (``systemVendor``)."""
    model: str | None = None
    """Its model (``systemModel``)."""
    station: str | None = None
    """Its name (``stationName``)."""
    institution: str | None = None
    """Where it stands (``institutionName``)."""
    field_strength_t: Range | None = None
    """Its field in tesla (``systemFieldStrength_T``)."""
    n_coils: Range | None = None
    """Number of receiver channels (``receiverChannels``)."""
    protocol: str | None = None
    """Name of the protocol (``protocolName``)."""
    sequence: str | None = None
    """Name of the sequence (``sequenceName``, else ``sequence_type``)."""
    trajectory: str | None = None
    """How k-space was covered (``trajectory``): cartesian, radial, spiral, ..."""
    acceleration: Range | None = None
    """By how much k-space was undersampled: the product of both ``accelerationFactor``."""
    body_part: str | None = None
    """What was examined (``bodyPartExamined``)."""
    patient_position: str | None = None
    """How the patient lay (``patientPosition``): HFS, FFS, ..."""
    study_description: str | None = None
    """``studyDescription``."""
    source: str | None = None
    """Address the scan came from, without its port."""
    recipe_asked: str | None = None
    """Configuration name that the client sent."""

    @cached_property
    def conditions(self) -> dict[str, Condition]:
        """The fields that ask for something, ready to be asked."""
        given = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: _condition(name, wanted) for name, wanted in given.items() if wanted not in (None, ANYTHING)}

    def takes(self, known: Mapping[str, str | float]) -> bool:
        """Whether a scan fits; ``known`` is what is known of it by field, text in lower case."""
        for name, fits in self._tests:  # noqa: SIM110 - all() is half as fast, and this runs for every rule
            if name not in known or not fits(known[name]):
                return False
        return True

    @cached_property
    def _tests(self) -> tuple[tuple[str, Callable[[Any], object]], ...]:
        return tuple((name, condition.fits) for name, condition in self.conditions.items())

    def covers(self, other: Match) -> bool:
        """Whether everything that fits the other fits this; False where that is not certain."""
        narrow = other.conditions
        for name, condition in self.conditions.items():  # a plain loop: it runs for every two rules
            if name not in narrow or not condition.covers(narrow[name]):
                return False
        return True


def _condition(field: str, wanted: str | Range) -> Condition:
    if isinstance(wanted, Range):
        return Condition(field, str(wanted), wanted, wanted.holds)
    glob = wanted.lower()
    if _WILD.search(glob):
        return Condition(field, repr(wanted), glob, re.compile(translate(glob)).match)
    return Condition(field, repr(wanted), glob, glob.__eq__, literal=True)
