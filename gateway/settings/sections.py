"""The sections of ``gateway.toml``: every key with its unit, its default and its laws."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, IPvAnyNetwork, SecretStr, field_validator, model_validator

from gateway.model.destinations import AeTitle, Port

HOUR_S = 3_600
KIB = 1_024
MIB = 1_024 * KIB

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Bytes = Annotated[int, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Percent = Annotated[float, Field(gt=0, le=100)]
Host = Annotated[str, Field(min_length=1)]


class Section(BaseModel):
    """A section of ``gateway.toml``; a key it does not know is a fault."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Data(Section):
    """Where the gateway keeps what it must not lose."""

    folder: Path = Path("gateway-data")
    """Recordings, the outbox and the database lie below it; relative to the folder of this file."""

    @property
    def spool_folder(self) -> Path:
        """Recordings, as they came from the scanner."""
        return self.folder / "spool"

    @property
    def outbox_folder(self) -> Path:
        """DICOM series that wait for their destinations."""
        return self.folder / "outbox"

    @property
    def replies_folder(self) -> Path:
        """Images that go back to the sender of a scan, until it has them."""
        return self.folder / "replies"

    @property
    def headstarts_folder(self) -> Path:
        """Images of scans that still arrive, until their jobs take them."""
        return self.folder / "headstarts"

    @property
    def exhibits_folder(self) -> Path:
        """Pictures for whoever reviews images of learned recipes."""
        return self.folder / "exhibits"


class Database(Section):
    """Where the state of every scan, job and delivery is kept."""

    url: SecretStr | None = None
    """SQLAlchemy URL of a SQLite or PostgreSQL database; without it, gateway.db in the data folder."""

    @field_validator("url")
    @classmethod
    def _is_one_we_serve(cls, url: SecretStr | None) -> SecretStr | None:
        text = url.get_secret_value() if url else "sqlite:////"
        if not text.startswith(("sqlite:////", "postgresql+psycopg://")):
            raise ValueError(
                "must begin with postgresql+psycopg:// or, with the absolute path of the file, sqlite:////"
            )
        return url


class Listener(Section):
    """The door for scanners: MRD over TCP, which knows no password. Keep it on the scanners' network."""

    host: Host = "127.0.0.1"
    """Address to listen on; 0.0.0.0 or :: for all of the machine's."""
    port: Port = 9002
    """Port to listen on."""
    max_sessions: Count = 16
    """Scans that may come in at the same time."""
    max_sessions_per_address: Count = 8
    """Of these, from one address."""
    first_message_timeout_s: Seconds = 10
    """From the connection to the end of the first message."""
    message_timeout_s: Seconds = 30
    """Between two bytes of one message."""
    idle_timeout_s: Seconds = 900
    """Between two messages; scanners pause."""
    gone_timeout_s: Annotated[float, Field(ge=5, allow_inf_nan=False)] = 60
    """A scanner that has vanished without a word - its line, its power - is given up after this."""
    session_timeout_s: Seconds = 4 * HOUR_S
    """For a whole scan."""
    images_timeout_s: Annotated[float, Field(gt=0, le=12 * HOUR_S)] = 300
    """So long a sender waits for its images, where the rule says respond = "images"; then it is told where they go."""
    max_header_bytes: Bytes = MIB
    """Of the MRD header (XML)."""
    max_text_bytes: Bytes = 64 * KIB
    """Of a text message or a configuration text."""
    max_acquisition_bytes: Bytes = 64 * MIB
    """Of the samples and the trajectory of one readout."""
    max_waveform_bytes: Bytes = 16 * MIB
    """Of one waveform."""
    sync_every_bytes: Bytes = 64 * MIB
    """A recording is forced to the disk after this much; bounds the wait before the scanner hears that it is stored."""
    sync_every_s: Seconds = 1
    """And at least this often."""

    @model_validator(mode="after")
    def _limits_agree(self) -> Self:
        if self.max_sessions_per_address > self.max_sessions:
            raise ValueError("max_sessions_per_address must not be more than max_sessions")
        if max(self.first_message_timeout_s, self.message_timeout_s, self.idle_timeout_s) > self.session_timeout_s:
            raise ValueError("session_timeout_s must not be less than the other timeouts")
        return self


class Recordings(Section):
    """What came from the scanners, and the disk that holds it."""

    warn_percent: Percent = 80
    """The log warns when the disk is so full."""
    refuse_percent: Percent = 95
    """From here on no scan is taken; the scanner is told why."""
    keep_days: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """A recording is deleted so long after its series have arrived everywhere; without it, never. Nothing else is."""
    keep_series_days: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """So are the files of a series in the outbox: the gateway's own copy, which the page shows."""
    watch_folder: Path | None = None
    """ISMRMRD files (.h5) that are put there come in as if a scanner had sent them; relative to this file's folder."""

    @model_validator(mode="after")
    def _warns_before_it_refuses(self) -> Self:
        if self.warn_percent > self.refuse_percent:
            raise ValueError("warn_percent must not be more than refuse_percent")
        return self


class Workers(Section):
    """The processes that reconstruct."""

    count: Annotated[int, Field(ge=1, le=64)] = 1
    """Jobs that run at the same time; on a GPU usually one."""
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:[0-9]+)?)$")] = "auto"
    """auto (a GPU if there is one), cpu, cuda, or cuda:1 for the second GPU."""
    max_job_s: Seconds = 4 * HOUR_S
    """A job that takes longer ends with its worker, which counts as a crash."""
    max_memory_bytes: Bytes | None = None
    """So does one that takes more memory, under `gateway run`; without it, the machine is the limit."""
    piece_memory_bytes: Bytes | None = None
    """A reconstruction takes so much memory at a time, beside the scan itself, and cuts larger work to pieces; without
    it, 64 MiB on a CPU, which gains nothing from more, and a quarter of what is free on a GPU. Where memory runs out
    all the same it goes on with less, after a GPU's with that of the CPU, and the job says so."""
    noise_lifetime_s: Seconds = 168 * HOUR_S
    """How long the covariance of a noise scan serves later scans that name it."""
    noise_folder: Path | None = None
    """ISMRMRD files of noise scans, one for each set of coils; relative to this file's folder. They serve scans of
    coils of the same names that carry no noise readouts and whose own measurement is not at hand."""


class Queue(Section):
    """How durable work behaves."""

    lease_s: Seconds = 60
    """A worker that was silent for so long is taken for dead, and its job goes to another."""
    heartbeat_s: Seconds = 20
    """How often a worker says that it lives."""
    poll_s: Seconds = 0.2
    """How often an idle worker looks whether anything has happened; every tenth time it looks for work in any case."""
    grace_s: Seconds = 30
    """When the gateway stops, work in hand may take so long to end; what is left begins anew at the next start."""
    max_crashes: Count = 3
    """A job whose worker died this often is put aside."""
    retry_first_s: Seconds = 15
    """Wait before the second attempt; it doubles from one attempt to the next."""
    retry_longest_s: Seconds = 900
    """The longest wait between two attempts."""
    give_up_after_s: Seconds = 72 * HOUR_S
    """Attempts end this long after the first; then a person decides."""

    @model_validator(mode="after")
    def _times_agree(self) -> Self:
        if self.lease_s < 3 * self.heartbeat_s:
            raise ValueError("lease_s must be at least three times heartbeat_s")
        if not self.retry_first_s <= self.retry_longest_s <= self.give_up_after_s:
            raise ValueError("retry_first_s, retry_longest_s and give_up_after_s must grow in this order")
        return self


class Web(Section):
    """The page that shows what arrives, what waits and what went out, and by which people steer."""

    enabled: bool = True
    """Whether there is a page."""
    host: Host = "127.0.0.1"
    """Address to listen on. Anywhere but on this machine itself, somebody must have an account first."""
    port: Port = 8002
    """Port to listen on."""
    certificate_file: Path | None = None
    """TLS certificate and key in one file (PEM). Without it a proxy must speak TLS, anywhere but on this machine."""
    address: Annotated[str, Field(pattern=r"^https?://[^/?#@\s]+/?$")] | None = None
    """What people type to come here, where that is not host and port: https://mri-gateway.hospital.example."""
    allow_unauthenticated: bool = False
    """Show patients' scans to everybody who can reach the page. Whoever does something has to sign in all the same."""

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


class DicomTls(Section):
    """TLS 1.2 or later on our own DICOM port; callers have to show a certificate."""

    certificate_file: Path
    """Our own certificate (PEM)."""
    key_file: Path | None = None
    """Its key (PEM, without a password); without it, the key is in the same file."""
    ca_file: Path
    """Certificates (PEM) of whom we trust to say who callers are."""

    def resolved(self, folder: Path) -> Self:
        """Let relative paths start at a folder."""
        given = {name: getattr(self, name) for name in type(self).model_fields}
        return self.model_copy(update={name: folder / path.expanduser() for name, path in given.items() if path})


class DicomCaller(Section):
    """A system that may call: under this name, from these addresses."""

    ae_title: AeTitle
    """What it calls itself."""
    addresses: Annotated[tuple[IPvAnyNetwork, ...], Field(min_length=1)]
    """Its addresses, or networks: 192.0.2.7, 192.0.2.0/24."""


class Dicom(Section):
    """Our own DICOM port: a PACS verifies us there (C-ECHO) and reports what it has committed. It takes no images."""

    enabled: bool = False
    """Whether there is one. Without it, reports reach us only on the association on which we have asked."""
    host: Host = "127.0.0.1"
    """Address to listen on; 0.0.0.0 or :: for all of the machine's."""
    port: Port = 11_112
    """Port to listen on."""
    ae_title: AeTitle = "MRGW"
    """What callers have to call us; the same as calling_ae_title of the destinations."""
    max_associations: Count = 8
    """That may be open at the same time."""
    max_associations_per_address: Count = 4
    """Of these, from one address."""
    request_timeout_s: Seconds = 10
    """From the connection to the end of the request for an association, with TLS included."""
    message_timeout_s: Seconds = 30
    """From the first byte of a message to its last."""
    idle_timeout_s: Seconds = 60
    """Between two messages."""
    plain: bool = False
    """Speak in the clear, readable on the way: on a network of your own only. Either this or a tls table."""
    tls: DicomTls | None = None
    """Without it nobody is spoken to, unless plain is true."""
    callers: tuple[DicomCaller, ...] = ()
    """Who may call; everybody else is hung up on."""

    @model_validator(mode="after")
    def _is_protected_and_used(self) -> Self:
        if not self.enabled:
            return self
        if self.tls is None and not self.plain:
            raise ValueError("would speak in the clear: give it a [dicom.tls] table, or say plain = true")
        if self.tls is not None and self.plain:
            raise ValueError("plain = true contradicts TLS: leave one of them out")
        if not self.callers:
            raise ValueError("nobody may call: name those who may, each in a [[dicom.callers]] table")
        if self.max_associations_per_address > self.max_associations:
            raise ValueError("max_associations_per_address must not be more than max_associations")
        return self

    def resolved(self, folder: Path) -> Self:
        """Let relative paths start at a folder."""
        return self.model_copy(update={"tls": self.tls.resolved(folder)}) if self.tls else self


class Models(Section):
    """Learned models beside those that ship with the gateway."""

    folder: Path | None = None
    """One folder for each, with its card and its weights; relative to this file's folder. Without it, ``models`` in the
    data folder."""


class RoutesFile(Section):
    """Where the routes are."""

    file: Path | None = None
    """routes.toml, relative to the folder of this file; without it, every scan gets auto and goes to a folder."""


class Log(Section):
    """What the gateway tells about its work, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important that is told."""
    format: Literal["text", "json"] = "text"
    """text for people, json for machines: one object on each line."""
