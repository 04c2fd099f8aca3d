"""Where series go: folder, PACS, archive (``[destinations.NAME]`` in ``routes.toml``)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gateway.model.commitment import Commitment
from gateway.model.form import Compression, Form, ObjectFormat
from gateway.model.table import Table

AeTitle = Annotated[
    str, Field(min_length=1, max_length=16, pattern=r"^[^\\\x00-\x1f\x7f]*[^ \\\x00-\x1f\x7f][^\\\x00-\x1f\x7f]*$")
]
Port = Annotated[int, Field(ge=1, le=65_535)]
Seconds = Annotated[float, Field(gt=0)]


class Outlet(Table):
    """What every destination says: the form in which it wants series."""

    format: ObjectFormat = ObjectFormat.CLASSIC
    """MR Image Storage for each image, or one Enhanced MR object for the series."""
    compression: Compression = Compression.NONE
    """Lossless packing of the pixels; whoever does not take it over the network gets the series uncompressed."""

    @property
    def form(self) -> Form:
        """The two together."""
        return Form(format=self.format, compression=self.compression)


class FolderDestination(Outlet):
    """A folder on this machine: one sub-folder for each series."""

    kind: Literal["folder"] = "folder"
    """Which kind of destination it is."""
    path: Path
    """Relative to the folder of this file."""

    def resolved(self, folder: Path) -> Self:
        """Let relative paths start at a folder."""
        return self.model_copy(update={"path": folder / self.path.expanduser()})


class Tls(Table):
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


def _one_protection(encrypted: object, *, plain: bool, how: str) -> None:
    """Let nothing travel in the clear that nobody has said may.

    Raises
    ------
    ValueError
        Neither is said, or both are.
    """
    if not encrypted and not plain:
        raise ValueError(f"would send patients' data in the clear: {how}, or say plain = true")
    if encrypted and plain:
        raise ValueError("plain = true contradicts TLS: leave one of them out")


class DicomPeer(Table):
    """Somebody who speaks DICOM."""

    host: str = Field(min_length=1)
    """Its name or address."""
    port: Port = 104
    """Its DICOM port."""
    ae_title: AeTitle
    """What it calls itself."""
    calling_ae_title: AeTitle = "MRGW"
    """What it calls us."""
    timeout_s: Seconds = 30
    """How long any single answer may take."""
    plain: bool = False
    """Speak in the clear, readable on the way: on a network of your own only. Either this or a tls table."""
    tls: Tls | None = None
    """Without it nothing is said, unless plain is true."""

    @model_validator(mode="after")
    def _says_how_it_is_protected(self) -> Self:
        _one_protection(self.tls, plain=self.plain, how="give it a tls table")
        return self

    def resolved(self, folder: Path) -> Self:
        """Let relative paths start at a folder."""
        return self.model_copy(update={"tls": self.tls.resolved(folder)}) if self.tls else self


class PacsDestination(DicomPeer, Outlet):
    """A PACS that takes a series by C-STORE."""

    kind: Literal["pacs"] = "pacs"
    """Which kind of destination it is."""
    max_associations: Annotated[int, Field(ge=1, le=16)] = 2
    """How many associations one series may use at the same time."""
    commitment: Commitment = Commitment.AUTO
    """What has to happen before a series counts as kept, and retention may delete the recording: auto asks for storage
    commitment and, where no report comes in time, looks by a query; required wants the report; query looks; none
    believes the answers to C-STORE."""
    commitment_timeout_s: Seconds = 3600
    """How long a PACS may take to report, or to show what it has; then a query decides, or it is asked again."""
    report_wait_s: Annotated[float, Field(ge=0)] = 5
    """How long the association stays open for the report; later ones come to our own port, the one in [dicom]."""


class WebPeer(Table):
    """Somebody who speaks DICOMweb."""

    url: Annotated[str, Field(pattern=r"^https?://[^/?#@]+(/[^?#]*)?$")]
    """Root of its DICOMweb service, without ``/studies``: ``https://archive.example.org/dicom-web``."""
    token_file: Path | None = None
    """File with the bearer token that it wants to see; relative to the folder of this file."""
    timeout_s: Seconds = 30
    """How long it may take to answer a request."""
    plain: bool = False
    """Say everything in the clear, for an address that begins with http: on a network of your own only."""
    tls: Tls = Tls()
    """Whom an address that begins with https has to be proven by."""

    @model_validator(mode="after")
    def _says_how_it_is_protected(self) -> Self:
        _one_protection(self.url.startswith("https:"), plain=self.plain, how="let its url begin with https")
        return self

    def resolved(self, folder: Path) -> Self:
        """Let relative paths start at a folder."""
        token = {"token_file": folder / self.token_file.expanduser()} if self.token_file else {}
        return self.model_copy(update={"tls": self.tls.resolved(folder), **token})


class StowDestination(WebPeer, Outlet):
    """An archive that takes a series by STOW-RS (DICOMweb)."""

    kind: Literal["stow"] = "stow"
    """Which kind of destination it is."""
    instances_per_request: Annotated[int, Field(ge=1, le=500)] = 25
    """How many instances one request carries at most."""
    max_connections: Annotated[int, Field(ge=1, le=16)] = 2
    """How many requests of one series may be on their way at the same time."""
    commitment: Literal[Commitment.QUERY, Commitment.NONE] = Commitment.QUERY
    """What has to happen before a series counts as kept: query looks by QIDO-RS, none believes the answers."""
    commitment_timeout_s: Seconds = 3600
    """How long the archive may take to show what it was sent; then it is sent again."""


Destination = Annotated[FolderDestination | PacsDestination | StowDestination, Field(discriminator="kind")]
