"""Routing as data: recipes, destinations, and the rules that choose among them (the shape of ``routes.toml``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from string import Formatter
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from gateway.model.match import Match


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


AeTitle = Annotated[
    str, Field(min_length=1, max_length=16, pattern=r"^[^\\\x00-\x1f\x7f]*[^ \\\x00-\x1f\x7f][^\\\x00-\x1f\x7f]*$")
]
Port = Annotated[int, Field(ge=1, le=65_535)]
Seconds = Annotated[float, Field(gt=0)]
RecipeName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]


class FftRecipe(_Part):
    """Fully sampled Cartesian k-space: inverse Fourier transform, coils combined by the root of the sum of squares."""

    method: Literal["fft"] = "fft"
    """Which method it is."""


class NufftRecipe(_Part):
    """Any trajectory: density-compensated adjoint transform, coils combined by the root of the sum of squares."""

    method: Literal["nufft"] = "nufft"
    """Which method it is."""


class CgNufftRecipe(_Part):
    """Any trajectory: iterative SENSE by conjugate gradients, sensitivities from the centre of k-space."""

    method: Literal["cg-nufft"] = "cg-nufft"
    """Which method it is."""
    steps: Annotated[int, Field(ge=1, le=200)] = 15
    """Iterations, at the most."""
    tolerance: Annotated[float, Field(ge=0, lt=1)] = 1e-3
    """Relative residual at which the iterations stop."""
    regularisation: Annotated[float, Field(ge=0)] = 0.01
    """Weight of the image's energy, where a fully sampled k-space has weight 1."""
    calibration_diameter: Annotated[float, Field(ge=4)] = 24
    """How much of the centre of k-space the sensitivities are taken from, in cycles per field of view."""


class AutoRecipe(_Part):
    """Picks the method by what was measured, and says which and why."""

    method: Literal["auto"] = "auto"
    """Which method it is."""


class GrappaRecipe(_Part):
    """Undersampled Cartesian k-space: missing lines from their neighbours, coils by the root of the sum of squares."""

    method: Literal["grappa"] = "grappa"
    """Which method it is."""
    kernel_lines: Literal[2, 4, 6] = 4
    """Measured lines that a missing one is made from."""
    kernel_samples: Literal[1, 3, 5, 7, 9] = 5
    """Samples of each of these lines."""
    regularisation: Annotated[float, Field(ge=1e-6, le=1)] = 1e-4
    """Of the kernel, relative to the mean power of what it is learned from."""
    virtual_coils: Annotated[int, Field(ge=1)] | None = None
    """Compress to so many coils; all without it."""


class SenseRecipe(_Part):
    """Undersampled Cartesian k-space: unfolded exactly, expecting the brightness that the calibration shows."""

    method: Literal["sense"] = "sense"
    """Which method it is."""
    map_sets: Literal[1, 2] = 1
    """Sets of sensitivities; two where the patient is larger than the field of view."""
    noise_weight: Annotated[float, Field(gt=0)] = 1.0
    """More than 1 trusts the data less than their noise asks for, less than 1 more."""
    virtual_coils: Annotated[int, Field(ge=1)] | None = None
    """Compress to so many coils; all without it."""


class CgSenseRecipe(_Part):
    """Undersampled Cartesian k-space: unfolded by conjugate gradients."""

    method: Literal["cg-sense"] = "cg-sense"
    """Which method it is."""
    steps: Annotated[int, Field(ge=1, le=200)] = 30
    """Iterations, at the most."""
    tolerance: Annotated[float, Field(ge=0, lt=1)] = 1e-3
    """Relative residual at which the iterations stop."""
    map_sets: Literal[1, 2] = 1
    """Sets of sensitivities; two where the patient is larger than the field of view."""
    noise_weight: Annotated[float, Field(gt=0)] = 1.0
    """More than 1 trusts the data less than their noise asks for, less than 1 more."""
    virtual_coils: Annotated[int, Field(ge=1)] | None = None
    """Compress to so many coils; all without it."""


class L1WaveletRecipe(_Part):
    """Undersampled Cartesian k-space, also at random: the image is sparse in wavelets (l1-ESPIRiT)."""

    method: Literal["l1-wavelet"] = "l1-wavelet"
    """Which method it is."""
    steps: Annotated[int, Field(ge=1, le=1000)] = 50
    """Iterations, at the most."""
    tolerance: Annotated[float, Field(ge=0, lt=1)] = 1e-3
    """Relative change of the image at which the iterations stop."""
    noise_weight: Annotated[float, Field(ge=0)] = 0.4
    """Penalty of the details, in standard deviations of the measured noise."""
    map_sets: Literal[1, 2] = 1
    """Sets of sensitivities; two where the patient is larger than the field of view."""


class TvRecipe(_Part):
    """Undersampled Cartesian k-space, also at random: the image has few edges (total variation)."""

    method: Literal["tv"] = "tv"
    """Which method it is."""
    steps: Annotated[int, Field(ge=1, le=1000)] = 100
    """Iterations, at the most."""
    tolerance: Annotated[float, Field(ge=0, lt=1)] = 1e-3
    """Relative change of the image at which the iterations stop."""
    noise_weight: Annotated[float, Field(ge=0)] = 0.4
    """Penalty of the gradient, in standard deviations of the measured noise."""
    map_sets: Literal[1, 2] = 1
    """Sets of sensitivities; two where the patient is larger than the field of view."""


class SubspaceRecipe(_Part):
    """Dynamic series or echo trains, each frame undersampled: frames are mixtures of few images (temporal subspace)."""

    method: Literal["subspace"] = "subspace"
    """Which method it is."""
    components: Annotated[int, Field(ge=1, le=64)] = 5
    """How many images the frames are mixtures of."""
    steps: Annotated[int, Field(ge=1, le=1000)] = 40
    """Iterations, at the most."""
    tolerance: Annotated[float, Field(ge=0, lt=1)] = 1e-3
    """Relative residual at which the iterations stop."""
    noise_weight: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the image's energy, in parts of the noise's power over that of the image."""


class LowRankSparseRecipe(_Part):
    """Dynamic series, each frame undersampled: a background that hardly changes and sparse motion (L+S)."""

    method: Literal["low-rank-sparse"] = "low-rank-sparse"
    """Which method it is."""
    steps: Annotated[int, Field(ge=1, le=1000)] = 60
    """Iterations, at the most."""
    tolerance: Annotated[float, Field(ge=0, lt=1)] = 1e-3
    """Relative change of the series at which the iterations stop."""
    noise_weight: Annotated[float, Field(ge=0)] = 0.5
    """Both penalties, in standard deviations of what the measured noise alone would show there."""


Recipe = Annotated[
    AutoRecipe
    | GrappaRecipe
    | SenseRecipe
    | CgSenseRecipe
    | FftRecipe
    | NufftRecipe
    | CgNufftRecipe
    | L1WaveletRecipe
    | TvRecipe
    | SubspaceRecipe
    | LowRankSparseRecipe,
    Field(discriminator="method"),
]
"""Every method with its parameters."""


class Compression(StrEnum):
    """Lossless ways to send pixels."""

    NONE = "none"
    RLE = "rle"


class FolderDestination(_Part):
    """A folder on this machine: one sub-folder for each series."""

    kind: Literal["folder"] = "folder"
    """Which kind of destination it is."""
    path: Path
    """Relative to the folder of this file."""

    def resolved(self, folder: Path) -> Self:
        """Let relative paths start at a folder."""
        return self.model_copy(update={"path": folder / self.path.expanduser()})


class Tls(_Part):
    """Encryption by TLS 1.2 or later; who the other one is must be proven, its name included."""

    ca_file: Path | None = None
    """Certificates (PEM) of whom we trust; without it, those that the system trusts."""
    certificate_file: Path | None = None
    """Our own certificate (PEM), where the other one wants to know who we are."""
    key_file: Path | None = None
    """Its key (PEM, without a password); without it, the key is in the same file."""

    @model_validator(mode="after")
    def _a_key_has_a_certificate(self) -> Self:
        if self.key_file is not None and self.certificate_file is None:
            raise ValueError("key_file needs a certificate_file")
        return self

    def resolved(self, folder: Path) -> Self:
        """Let relative paths start at a folder."""
        given = {name: getattr(self, name) for name in type(self).model_fields}
        return self.model_copy(update={name: folder / path.expanduser() for name, path in given.items() if path})


class PacsDestination(_Part):
    """A PACS that takes a series by C-STORE."""

    kind: Literal["pacs"] = "pacs"
    """Which kind of destination it is."""
    host: str = Field(min_length=1)
    """Name or address of the PACS."""
    port: Port = 104
    """Its DICOM port."""
    ae_title: AeTitle
    """What the PACS calls itself."""
    calling_ae_title: AeTitle = "MRGW"
    """What it calls us."""
    timeout_s: Seconds = 30
    """How long any single answer may take."""
    max_associations: Annotated[int, Field(ge=1, le=16)] = 2
    """How many associations one series may use at the same time."""
    compression: Compression = Compression.NONE
    """Lossless transfer syntax that is offered first; a PACS that does not take it gets the series uncompressed."""
    tls: Tls | None = None
    """Without it, everything is sent in the clear: for a network of your own only."""

    def resolved(self, folder: Path) -> Self:
        """Let relative paths start at a folder."""
        return self.model_copy(update={"tls": self.tls.resolved(folder)}) if self.tls else self


class StowDestination(_Part):
    """An archive that takes a series by STOW-RS (DICOMweb)."""

    kind: Literal["stow"] = "stow"
    """Which kind of destination it is."""
    url: Annotated[str, Field(pattern=r"^https?://[^/?#@]+(/[^?#]*)?$")]
    """Root of its DICOMweb service, without ``/studies``: ``https://archive.example.org/dicom-web``."""
    token_file: Path | None = None
    """File with the bearer token that it wants to see; relative to the folder of this file."""
    timeout_s: Seconds = 30
    """How long it may take to answer a request."""
    instances_per_request: Annotated[int, Field(ge=1, le=500)] = 25
    """How many instances one request carries at most."""
    tls: Tls = Tls()
    """Whom an address that begins with https has to be proven by."""

    def resolved(self, folder: Path) -> Self:
        """Let relative paths start at a folder."""
        token = {"token_file": folder / self.token_file.expanduser()} if self.token_file else {}
        return self.model_copy(update={"tls": self.tls.resolved(folder), **token})


Destination = Annotated[FolderDestination | PacsDestination | StowDestination, Field(discriminator="kind")]


class Rule(_Part):
    """What happens to the scans that match; the first rule that matches decides."""

    name: str = Field(min_length=1)
    """What the page and the timeline call it."""
    match: Match = Match()
    """Which scans it is for."""
    recipe: RecipeName
    """Name of the recipe that reconstructs them."""
    destinations: tuple[str, ...] = Field(min_length=1)
    """Names of the destinations that the series goes to."""
    incomplete: Literal["hold", "reconstruct"] = "hold"
    """What to do with a scan that ended without CLOSE: hold it, or reconstruct it if what came is enough."""
    priority: Annotated[int, Field(ge=-100, le=100)] = 0
    """Among series that wait for a destination, those with more are sent first."""
    series_description: str = "{protocol} {recipe}"
    """Text with ``{protocol}`` and ``{recipe}`` in it."""

    @field_validator("series_description")
    @classmethod
    def _placeholders_are_known(cls, text: str) -> str:
        unknown = {name for _, name, _, _ in Formatter().parse(text) if name is not None} - {"protocol", "recipe"}
        if unknown:
            raise ValueError(f"{{{min(unknown)}}} is not known; known are {{protocol}} and {{recipe}}")
        return text


class RuleFaults(ValueError):
    """Rules contradict each other or name what is not defined; each fault with the number of its rule."""

    def __init__(self, faults: list[tuple[int, str]]) -> None:
        super().__init__("; ".join(f"rules.{number}: {fault}" for number, fault in faults))
        self.faults = faults


class Routes(_Part):
    """All of ``routes.toml``."""

    recipes: dict[RecipeName, Recipe]
    destinations: dict[str, Destination]
    rules: tuple[Rule, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _rules_agree(self) -> Self:
        names = [rule.name for rule in self.rules]
        twice = [
            (number, f"rule {name!r} is there twice; the page and the timeline tell rules apart by name")
            for number, name in enumerate(names)
            if name in names[:number]
        ]
        undefined = [
            (number, f"rule {rule.name!r} names {what} {name!r}, which is not defined")
            for number, rule in enumerate(self.rules)
            for what, used, known in (
                ("recipe", [rule.recipe], self.recipes),
                ("destination", list(rule.destinations), self.destinations),
            )
            for name in used
            if name not in known
        ]
        hidden = [
            (number, f"rule {below!r} is never reached: rule {above!r} above it takes every scan that fits it")
            for number, below, above in _hidden(self.rules)
        ]
        if twice or undefined or hidden:
            raise RuleFaults(twice + undefined + hidden)
        return self


def _hidden(rules: Sequence[Rule]) -> Iterator[tuple[int, str, str]]:
    """Find the rules that can never decide: number and name of each, and the name of the one that hides it."""
    for number, rule in enumerate(rules):
        above = next((earlier for earlier in rules[:number] if earlier.match.covers(rule.match)), None)
        if above is not None:
            yield number, rule.name, above.name
