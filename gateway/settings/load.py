"""``gateway.toml`` as one frozen tree; the only reader of that file and of the environment."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Self

from pydantic import SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from gateway.model.errors import SettingsFault
from gateway.routing.text import Key, faults_of, key_places, toml_tree, unknown_key
from gateway.settings.files import read_text
from gateway.settings.sections import (
    Data,
    Database,
    Dicom,
    Listener,
    Log,
    Models,
    Queue,
    Recordings,
    RoutesFile,
    Web,
    Workers,
)
from gateway.settings.signing_in import Oidc
from gateway.settings.telling import Atna, Email, Webhook

PREFIX = "GATEWAY__"
"""``GATEWAY__LISTENER__PORT`` in the environment stands above ``port`` in ``[listener]``."""


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
    oidc: Oidc = Oidc()
    dicom: Dicom = Dicom()
    models: Models = Models()
    routes: RoutesFile = RoutesFile()
    log: Log = Log()
    webhook: Webhook = Webhook()
    email: Email = Email()
    atna: Atna = Atna()

    @property
    def database_url(self) -> SecretStr:
        """The database's URL, the default filled in."""
        return self.database.url or SecretStr(f"sqlite:///{self.data.folder / 'gateway.db'}")

    @property
    def models_folder(self) -> Path:
        """The site's own models, the default filled in."""
        return self.models.folder or self.data.folder / "models"

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        ports = {"listener.port": self.listener.port}
        ports |= {"web.port": self.web.port} if self.web.enabled else {}
        ports |= {"dicom.port": self.dicom.port} if self.dicom.enabled else {}
        for (one, number), (other, same) in combinations(ports.items(), 2):
            if number == same:
                raise ValueError(f"{one} and {other} must differ")
        return self

    @model_validator(mode="after")
    def _browsers_come_back(self) -> Self:
        if self.oidc.issuer is not None and self.web.address is None and not self.web.loopback:
            raise ValueError("web.address must say where browsers come back to from the identity provider")
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
    text = read_text(path) if path else ""
    settings = _checked(text, source=str(path or "environment"))
    return _resolved(settings, (path.parent if path else Path()).absolute())


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
    kept = settings.workers.noise_folder
    workers = settings.workers.model_copy(update={"noise_folder": folder / kept.expanduser() if kept else None})
    certificate = settings.web.certificate_file
    web = settings.web.model_copy(
        update={"certificate_file": folder / certificate.expanduser() if certificate else None}
    )
    dicom = settings.dicom.resolved(folder)
    models = settings.models.folder
    zoo = settings.models.model_copy(update={"folder": folder / models.expanduser() if models else None})
    resolved = {"data": data, "recordings": recordings, "routes": routes, "workers": workers, "web": web}
    told = {
        name: section.model_copy(update={"ca_file": folder / section.ca_file.expanduser() if section.ca_file else None})
        for name, section in (("webhook", settings.webhook), ("email", settings.email), ("oidc", settings.oidc))
    }
    atna = settings.atna.resolved(folder)
    return settings.model_copy(update={**told, **resolved, "dicom": dicom, "models": zoo, "atna": atna})
