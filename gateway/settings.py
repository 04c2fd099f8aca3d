"""``gateway.toml`` as one frozen tree; the only reader of configuration files and of the environment."""

from __future__ import annotations

import ipaddress
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from gateway.model.errors import RoutesFault, SettingsFault
from gateway.model.route import Port, Routes
from gateway.routing.text import Key, faults_of, key_places, parse_routes, toml_tree, unknown_key

PREFIX = "GATEWAY__"
"""``GATEWAY__LISTENER__PORT`` in the environment stands above ``port`` in ``[listener]``."""

HOUR_S = 3_600
KIB = 1_024
MIB = 1_024 * KIB

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Bytes = Annotated[int, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Percent = Annotated[float, Field(gt=0, le=100)]
Host = Annotated[str, Field(min_length=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Data(_Section):
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


class Database(_Section):
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


class Listener(_Section):
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
    session_timeout_s: Seconds = 4 * HOUR_S
    """For a whole scan."""
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


class Recordings(_Section):
    """What came from the scanners, and the disk that holds it."""

    warn_percent: Percent = 80
    """The log warns when the disk is so full."""
    refuse_percent: Percent = 95
    """From here on no scan is taken; the scanner is told why."""
    keep_days: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """A recording is deleted so long after its series have arrived everywhere; without it, never. Nothing else is."""
    watch_folder: Path | None = None
    """ISMRMRD files (.h5) that are put there come in as if a scanner had sent them; relative to this file's folder."""

    @model_validator(mode="after")
    def _warns_before_it_refuses(self) -> Self:
        if self.warn_percent > self.refuse_percent:
            raise ValueError("warn_percent must not be more than refuse_percent")
        return self


class Workers(_Section):
    """The processes that reconstruct."""

    count: Annotated[int, Field(ge=1, le=64)] = 1
    """Jobs that run at the same time; on a GPU usually one."""
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:[0-9]+)?)$")] = "auto"
    """auto (a GPU if there is one), cpu, cuda, or cuda:1 for the second GPU."""
    max_job_s: Seconds = 4 * HOUR_S
    """A job that takes longer ends with its worker, which counts as a crash."""
    max_memory_bytes: Bytes | None = None
    """So does one that takes more memory, under `gateway run`; without it, the machine is the limit."""
    noise_lifetime_s: Seconds = 168 * HOUR_S
    """How long the covariance of a noise scan serves later scans that name it."""


class Queue(_Section):
    """How durable work behaves."""

    lease_s: Seconds = 60
    """A worker that was silent for so long is taken for dead, and its job goes to another."""
    heartbeat_s: Seconds = 20
    """How often a worker says that it lives."""
    poll_s: Seconds = 0.2
    """How often an idle worker looks for work."""
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


class Web(_Section):
    """The page that shows what arrives, what waits and what went out, and by which people steer."""

    enabled: bool = True
    """Whether there is a page."""
    host: Host = "127.0.0.1"
    """Address to listen on. Anywhere but on this machine itself, somebody must have an account first."""
    port: Port = 8002
    """Port to listen on."""
    certificate_file: Path | None = None
    """TLS certificate and key in one file (PEM). Without it a proxy must speak TLS, anywhere but on this machine."""
    allow_unauthenticated: bool = False
    """Show patients' scans to everybody who can reach the page. Whoever does something has to sign in all the same."""

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


class RoutesFile(_Section):
    """Where the routes are."""

    file: Path | None = None
    """routes.toml, relative to the folder of this file; without it, every scan gets auto and goes to a folder."""


class Log(_Section):
    """What the gateway tells about its work, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important that is told."""
    format: Literal["text", "json"] = "text"
    """text for people, json for machines: one object on each line."""


class Settings(BaseSettings):
    """All of ``gateway.toml``."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix=PREFIX, env_nested_delimiter="__", use_attribute_docstrings=True
    )

    data: Data = Data()
    database: Database = Database()
    listener: Listener = Listener()
    recordings: Recordings = Recordings()
    workers: Workers = Workers()
    queue: Queue = Queue()
    web: Web = Web()
    routes: RoutesFile = RoutesFile()
    log: Log = Log()

    @property
    def database_url(self) -> SecretStr:
        """The database's URL, the default filled in."""
        return self.database.url or SecretStr(f"sqlite:///{self.data.folder / 'gateway.db'}")

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        if self.web.enabled and self.listener.port == self.web.port:
            raise ValueError("listener.port and web.port must differ")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the names are pydantic's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put the environment above the file, and ask nobody else."""
        return env_settings, init_settings


def load_settings(path: Path | None) -> Settings:
    """Read the settings: from ``path``, else from the file that ``GATEWAY_CONFIG`` names, else the defaults.

    Relative paths in it are resolved from the folder of the file, or from the current one where there is no file.

    Raises
    ------
    SettingsFault
        The file cannot be read, or it or the environment says something impossible; all faults at once.
    """
    path = path or (Path(named) if (named := os.environ.get("GATEWAY_CONFIG")) else None)
    text = _read(path) if path else ""
    settings = _checked(text, source=str(path or "environment"))
    return _resolved(settings, (path.parent if path else Path()).absolute())


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutesSource:
    """The text of the routes, and where it comes from."""

    text: str
    name: str


DEFAULT_ROUTES = """\
# Every scan is reconstructed by the method that fits it, and its series goes to a folder.

[recipes.auto]
method = "auto"

[recipes.fft]
method = "fft"

[recipes.grappa]
method = "grappa"

[recipes.sense]
method = "sense"

[recipes.cg-sense]
method = "cg-sense"

[recipes.nufft]
method = "nufft"

[recipes.cg-nufft]
method = "cg-nufft"

[destinations.folder]
kind = "folder"
path = "series"

[[rules]]
name = "everything"
recipe = "auto"
destinations = ["folder"]
"""
"""In force as long as no routes are given."""


def routes_source(settings: Settings, path: Path | None = None) -> RoutesSource:
    """Read the text of the routes: from ``path``, else from the file that the settings name, else the default.

    Raises
    ------
    RoutesFault
        The file cannot be read.
    """
    file = path or settings.routes.file
    if file is None:
        return RoutesSource(text=DEFAULT_ROUTES, name="the default routes")
    return RoutesSource(text=_read(file, RoutesFault), name=str(file))


def routes_folder(settings: Settings) -> Path:
    """Say where relative paths in the routes start, in whatever version of them."""
    return settings.routes.file.parent if settings.routes.file else settings.data.folder


def load_routes(settings: Settings) -> Routes:
    """Read the routes that are in force before any were applied.

    Raises
    ------
    RoutesFault
        The file cannot be read, or says something impossible, all faults at once.
    """
    source = routes_source(settings)
    return parse_routes(source.text, source=source.name, folder=routes_folder(settings))


def _read(path: Path, fault: type[SettingsFault] = SettingsFault) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise fault(str(path), [f"cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise fault(str(path), [f"is not UTF-8 text (byte {error.start})"]) from None


def _checked(text: str, *, source: str) -> Settings:
    """Turn text and environment into settings. The cause is cut off: it would repeat values, secrets among them."""
    try:
        tree = toml_tree(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsFault(source, [str(error)]) from None
    places = {**key_places(text), **_variables()}
    faults = _unknown_sections(places)
    known = {name: below for name, below in tree.items() if name in Settings.model_fields}
    try:
        settings = Settings(**known)
    except ValidationError as error:
        raise SettingsFault(source, faults + faults_of(error, Settings, tree, places=places)) from None
    except SettingsError as error:
        raise SettingsFault(source, [*faults, str(error)]) from None
    if faults:
        raise SettingsFault(source, faults)
    return settings


def _variables() -> dict[Key, str]:
    """List our variables of the environment by the key they stand for."""
    ours = [name for name in os.environ if name.upper().startswith(PREFIX)]
    return {tuple(name[len(PREFIX) :].lower().split("__")): name for name in ours}


def _unknown_sections(places: Mapping[Key, str]) -> list[str]:
    """Report the sections that pydantic would not see in the environment, or take for its own options in the file."""
    named: dict[str, str] = {}
    for key, place in places.items():
        named.setdefault(str(key[0]), place)
    known = list(Settings.model_fields)
    return [f"{place}: {name}: {unknown_key(name, known)}" for name, place in named.items() if name not in known]


def _resolved(settings: Settings, folder: Path) -> Settings:
    data = settings.data.model_copy(update={"folder": folder / settings.data.folder.expanduser()})
    file = settings.routes.file
    routes = settings.routes.model_copy(update={"file": folder / file.expanduser() if file else None})
    watched = settings.recordings.watch_folder
    watch = {"watch_folder": folder / watched.expanduser() if watched else None}
    recordings = settings.recordings.model_copy(update=watch)
    certificate = settings.web.certificate_file
    web = settings.web.model_copy(
        update={"certificate_file": folder / certificate.expanduser() if certificate else None}
    )
    return settings.model_copy(update={"data": data, "recordings": recordings, "routes": routes, "web": web})
