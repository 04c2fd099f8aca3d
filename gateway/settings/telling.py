"""Who is told: when something needs a person (``[webhook]``, ``[email]``), and for the record (``[atna]``)."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from gateway.model.destinations import Port
from gateway.settings.sections import Host, Seconds, Section

SHORTEST_SECRET = 16
ADDRESS = r"^[^@\s<>,;]+@[^@\s<>,;]+$"


class Webhook(Section):
    """One address that is told, by a signed POST, when something is held, fails or recovers. Never names a patient."""

    url: Annotated[str, Field(pattern=r"^https?://[^/?#@]+(/[^#]*)?$")] | None = None
    """Where to; without it, nobody is told this way. https, anywhere but on this machine."""
    allowed_hosts: tuple[str, ...] = ()
    """Names of hosts that may be told; that of the URL must be among them."""
    secret: SecretStr | None = None
    """Signs each message (standardwebhooks.com); at least 16 characters. Rather GATEWAY__WEBHOOK__SECRET."""
    ca_file: Path | None = None
    """Certificates (PEM) of whom we trust; without it, those that the system trusts."""
    timeout_s: Seconds = 10
    """How long it may take to answer."""
    digest_s: Seconds = 10
    """What happens within so long after a message goes into the next one."""

    @model_validator(mode="after")
    def _goes_where_it_may(self) -> Self:
        if self.url is None:
            return self
        url = urlsplit(self.url)
        if url.hostname not in self.allowed_hosts:
            raise ValueError(f"allowed_hosts must name {url.hostname!r}, the host of url")
        if url.scheme == "http" and not is_here(url.hostname or ""):
            raise ValueError("url must begin with https, anywhere but on this machine")
        if self.secret is None or len(self.secret.get_secret_value()) < SHORTEST_SECRET:
            raise ValueError(f"secret must have {SHORTEST_SECRET} characters or more")
        return self


class Email(Section):
    """A mail server through which people are told when something is held, fails or recovers. Never names a patient."""

    host: Host | None = None
    """Name of the server; without it, nobody is told this way."""
    port: Port = 587
    """Its port."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """How it is encrypted; none only where the server is on this machine."""
    user: str = ""
    """Name to sign in with; without it, nobody signs in."""
    password: SecretStr = SecretStr("")
    """Its password. Rather GATEWAY__EMAIL__PASSWORD."""
    sender: Annotated[str, Field(pattern=ADDRESS)] = "mri-gateway@localhost"
    """Who writes."""
    to: tuple[Annotated[str, Field(pattern=ADDRESS)], ...] = ()
    """Who gets it."""
    ca_file: Path | None = None
    """Certificates (PEM) of whom we trust; without it, those that the system trusts."""
    timeout_s: Seconds = 30
    """How long the server may take to answer."""
    digest_s: Seconds = 300
    """What happens within so long after a message goes into the next one."""

    @model_validator(mode="after")
    def _somebody_gets_it(self) -> Self:
        if self.host is None:
            return self
        if not self.to:
            raise ValueError("to must name somebody")
        if self.security == "none" and not is_here(self.host):
            raise ValueError('security may be "none" only where the server is on this machine')
        return self


class Atna(Section):
    """A record repository (IHE ATNA) that gets the audit trail as DICOM audit messages (PS3.15 A.5) by syslog.

    They say whose images were sent where, with patient ID and name: the standard wants it so.
    """

    host: Host | None = None
    """Name of the syslog server, as its certificate has it; without it, no audit messages are sent."""
    allowed_hosts: tuple[str, ...] = ()
    """Names of hosts that may get patients' data this way; host must be among them."""
    port: Port = 6514
    """Its port; 6514 is that of syslog over TLS, 514 of UDP."""
    plain: bool = False
    """Send by UDP, readable on the way, unconfirmed and without proof of who gets it: on a network of your own only."""
    ca_file: Path | None = None
    """Certificates (PEM) of whom we trust; without it, those that the system trusts."""
    certificate_file: Path | None = None
    """Our own certificate (PEM), where the server wants to know who we are."""
    key_file: Path | None = None
    """Its key (PEM, without a password); without it, the key is in the same file."""
    source_id: Annotated[str, Field(pattern=r"^[\x21-\x7e]{0,64}$")] = ""
    """What we call ourselves (AuditSourceID); without it, the name of this machine."""
    site_id: Annotated[str, Field(max_length=64)] = ""
    """What the site calls itself (AuditEnterpriseSiteID)."""
    timeout_s: Seconds = 10
    """How long the server may take."""

    @model_validator(mode="after")
    def _goes_where_it_may(self) -> Self:
        if self.host is None:
            return self
        if self.host not in self.allowed_hosts:
            raise ValueError(f"allowed_hosts must name {self.host!r}: it gets patients' data")
        if self.key_file is not None and self.certificate_file is None:
            raise ValueError("key_file needs a certificate_file")
        if self.plain and (self.ca_file or self.certificate_file):
            raise ValueError("plain = true contradicts TLS: leave one of them out")
        return self

    def resolved(self, folder: Path) -> Self:
        """Let relative paths start at a folder."""
        files = {name: getattr(self, name) for name in ("ca_file", "certificate_file", "key_file")}
        return self.model_copy(update={name: folder / file.expanduser() for name, file in files.items() if file})


def is_here(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
