"""What a learned model says of itself: ``card.toml``, which lies beside its weights; knows nothing of networks.

A model is used for what its card says it was made for, and for nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Annotated, Self

from pydantic import Field, model_validator

from gateway.model.match import Range
from gateway.model.networks import Network, StackNetwork
from gateway.model.table import Table

ModelName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Version = Annotated[str, Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z.+-]{0,31}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Purpose(StrEnum):
    """What a model may be used for."""

    PATIENTS = "patients"
    """Its images may go to a radiologist, marked and checked."""
    TESTS = "training and tests"
    """It shows that the way works; its images are held."""


class Sampling(StrEnum):
    """How lines were left out."""

    FULL = "full"
    EQUISPACED = "equispaced"
    """Every n-th line, and those around the centre."""
    IRREGULAR = "irregular"
    """At random, or of varying density."""


class Encoded(StrEnum):
    """What was encoded beside the readout."""

    SLICES = "slices"
    """Lines of slices."""
    SLABS = "slabs"
    """Lines and partitions of slabs (3D): what was left out is a mask of two directions, across the readout."""


class MadeFor(Table):
    """The scans that a model is meant for. What is left out is not asked; what the scan does not say does not fit."""

    body_parts: tuple[str, ...] = ()
    """Globs for ``bodyPartExamined``, case aside."""
    contrasts: tuple[str, ...] = ()
    """Globs for the name of the protocol or the sequence, case aside."""
    vendors: tuple[str, ...] = ()
    """Globs for the maker of the scanner, case aside."""
    field_strength_t: Range | None = None
    """In tesla."""
    n_coils: Range | None = None
    """Receiver channels."""
    encoded: Annotated[tuple[Encoded, ...], Field(min_length=1)] = (Encoded.SLICES,)
    """Scans of slices, of slabs, or both."""
    matrix: Range | None = None
    """Pixels along the readout, oversampling aside, and encoded lines, both."""
    partitions: Range | None = None
    """Points of the encoded matrix across the slab; not asked of slices."""
    acceleration: Range | None = None
    """Wanted lines over measured ones outside the calibration, which hides how sparse the rest is; of a slab in both
    directions together. Of radial and spiral scans, the gap between readouts at the edge of k-space over Nyquist's."""
    n_calibration: Range | None = None
    """Lines without gaps around the centre; of a slab, lines or partitions, whichever are fewer."""
    sampling: tuple[Sampling, ...] = tuple(Sampling)
    """Patterns of lines."""
    after: tuple[str, ...] = ()
    """Methods whose images the network may begin with; a recipe that says nothing begins with ``sense``."""


class TrainedOn(Table):
    """What a model learned from."""

    data: str = Field(min_length=1)
    """Which data, how many volumes, where from."""
    synthetic: bool
    """Whether k-space was computed from images rather than measured."""
    caveat: str = ""
    """What this means for measured scans. Computed k-space flatters: see doi:10.1073/pnas.2117203119."""


class Saw(Table):
    """Numbers of the scans that a model learned from, measured as the gate does; what is left out is not asked."""

    snr: Range | None = None
    """Median brightness of the patient over the noise of a pixel of a scan of every line."""
    contrast: Range | None = None
    """Standard deviation of the patient's brightness over its mean."""
    filling: Range | None = None
    """Part of the field of view that shows something."""


class Measured(Table):
    """What a model reached, beside the best conventional recipe on the same scans."""

    data: str = Field(min_length=1)
    """Which held-out scans."""
    acceleration: float = Field(ge=1)
    """How undersampled."""
    nrmse: float = Field(ge=0)
    """Over the object."""
    ssim: float = Field(ge=-1, le=1)
    """Structural similarity."""
    conventional: str = Field(min_length=1)
    """The best conventional recipe."""
    conventional_nrmse: float = Field(ge=0)
    """What that reached."""
    conventional_ssim: float = Field(ge=-1, le=1)
    """What that reached."""


LARGEST_WEIGHTS_BYTES = 2 << 30
"""Of a file of weights; a larger one is neither hashed nor read."""

OF_SLICES = frozenset({"unet", "varnet"})
"""Networks that take what fastMRI gave them, which are lines of slices."""


def encoded_for(network: Network) -> frozenset[Encoded]:
    """Say for which scans a network can be."""
    if isinstance(network, StackNetwork):
        return frozenset({Encoded.SLABS if network.within == "volumes" else Encoded.SLICES})
    return frozenset({Encoded.SLICES}) if network.method in OF_SLICES else frozenset(Encoded)


class ModelCard(Table):
    """All of ``card.toml``."""

    name: ModelName
    """What recipes call it."""
    version: Version
    """Another one for other weights."""
    purpose: Purpose
    """Whether its images may go to a radiologist."""
    licence: str = Field(min_length=1)
    """SPDX expression, or what else binds who uses it."""
    weights_sha256: Sha256
    """Of ``weights.safetensors``; weights with another one are not used."""
    network: Network
    made_for: MadeFor
    trained_on: TrainedOn
    saw: Saw = Saw()
    uncertainty_factor: Annotated[float, Field(gt=0)] | None = None
    """By which the gate's guess of the uncertainty is multiplied so that nine of ten pixels hold it; by calibration."""
    measured: tuple[Measured, ...] = ()

    @model_validator(mode="after")
    def _slabs_need_physics(self) -> Self:
        possible = encoded_for(self.network)
        if not set(self.made_for.encoded) <= possible:
            raise ValueError(f"such a {self.network.method} is for {', '.join(sorted(possible))} alone")
        return self

    @property
    def label(self) -> str:
        """Name and version."""
        return f"{self.name} {self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What a card asks of a scan; None is not known, or, of what was encoded, not asked."""

    body_part: str | None
    protocol: str | None
    sequence: str | None
    vendor: str | None
    field_strength_t: float | None
    n_coils: int
    n_readout: int
    n_lines: int
    acceleration: float | None
    outside: str = ""
    """How many of how many lines lie outside the calibration, for whoever has to be told."""
    n_calibration: int | None
    sampling: Sampling | None
    encoded: Encoded | None = None
    n_partitions: int | None = None


def misfits(made_for: MadeFor, scan: Measurement) -> Iterator[str]:
    """Say, point by point, why a scan is not what a model was made for; nothing where it is."""
    if scan.encoded is not None and scan.encoded not in made_for.encoded:
        yield UNFIT[scan.encoded]
    yield from _text("body part", made_for.body_parts, scan.body_part)
    yield from _text("contrast", made_for.contrasts, scan.protocol, scan.sequence)
    yield from _text("vendor", made_for.vendors, scan.vendor)
    for name, asked, found in (
        ("field strength", made_for.field_strength_t, scan.field_strength_t),
        ("number of coils", made_for.n_coils, scan.n_coils),
        ("matrix along readouts", made_for.matrix, scan.n_readout),
        ("matrix along lines", made_for.matrix, scan.n_lines),
        (ACCELERATION, made_for.acceleration, scan.acceleration),
        ("number of calibration lines", made_for.n_calibration, scan.n_calibration),
        *([("number of partitions", made_for.partitions, scan.n_partitions)] if scan.n_partitions else []),
    ):
        if asked is not None and (found is None or not asked.holds(found)):
            where = f" outside the calibration ({scan.outside})" if name == ACCELERATION and scan.outside else ""
            yield f"{name} is {'not known' if found is None else f'{found:.3g}'}{where}, the model is for {asked}"
    if scan.sampling not in (*made_for.sampling, *([None] if len(made_for.sampling) == len(Sampling) else [])):
        yield f"sampling is {scan.sampling or 'not known'}, the model is for {', '.join(made_for.sampling)}"


ACCELERATION = "acceleration"
UNFIT: Mapping[Encoded, str] = MappingProxyType(
    {
        Encoded.SLICES: "slices were measured, the model is for slabs",
        Encoded.SLABS: "partitions were encoded, the model is for slices",
    }
)
"""By what was encoded, where the model was not made for it."""


def _text(name: str, globs: tuple[str, ...], *found: str | None) -> Iterator[str]:
    known = [text.lower() for text in found if text]
    if globs and not any(fnmatchcase(text, glob.lower()) for text in known for glob in globs):
        yield f"{name} is {' / '.join(map(repr, known)) or 'not known'}, the model is for {', '.join(globs)}"
