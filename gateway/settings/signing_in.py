"""How people sign in elsewhere: ``[oidc]`` of ``gateway.toml``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from gateway.settings.sections import Seconds, Section
from gateway.settings.telling import is_here

Groups = tuple[Annotated[str, Field(min_length=1)], ...]


class OidcRoles(Section):
    """Which groups at the provider stand for which role.

    Who is in several has the first of admin, operator, auditor, viewer, reader; who is in none needs a one-time link.
    """

    admin: Groups = ()
    """Groups whose people change the routes, and say who may come in."""
    operator: Groups = ()
    """Groups whose people retry, hold, release, cancel and send again."""
    auditor: Groups = ()
    """Groups whose people read the audit trail."""
    viewer: Groups = ()
    """Groups whose people look."""
    reader: Groups = ()
    """Groups whose people score the images of studies, and see nothing else."""


class Oidc(Section):
    """An identity provider (OpenID Connect: Keycloak, Entra ID), by which people sign in with their account there.

    Needs ``mri-gateway[oidc]``; accounts of the gateway's own work beside it.
    """

    issuer: Annotated[str, Field(pattern=r"^https?://[^/?#@\s]+(/[^?#\s]*)?$")] | None = None
    """Address of the provider, exactly as it calls itself; without it, there is none. https, anywhere but on this
    machine."""
    client_id: str = ""
    """What the provider calls us."""
    client_secret: SecretStr = SecretStr("")
    """Our password there; without it, we are a public client. Rather GATEWAY__OIDC__CLIENT_SECRET."""
    label: Annotated[str, Field(min_length=1, max_length=64)] = "hospital account"
    """What people call the account that they have there; it stands on the button."""
    scopes: tuple[str, ...] = ("openid", "profile")
    """What we ask the provider to tell."""
    name_claim: Annotated[str, Field(min_length=1)] = "preferred_username"
    """The claim that holds a person's name; a dot goes into an object."""
    groups_claim: Annotated[str, Field(min_length=1)] = "groups"
    """The claim that holds groups or roles: groups, roles, realm_access.roles."""
    ca_file: Path | None = None
    """Certificates (PEM) of whom we trust; without it, those that the system trusts."""
    proxy: Annotated[str, Field(pattern=r"^[^/@\s]+:[0-9]+$")] | None = None
    """A proxy through which the provider is reached, as host:port."""
    timeout_s: Seconds = 10
    """How long the provider may take to answer."""
    roles: OidcRoles = OidcRoles()
    """Which groups at the provider stand for which role here."""

    @model_validator(mode="after")
    def _knows_the_provider(self) -> Self:
        if self.issuer is None:
            return self
        url = urlsplit(self.issuer)
        if url.scheme == "http" and not is_here(url.hostname or ""):
            raise ValueError("issuer must begin with https, anywhere but on this machine")
        if not self.client_id:
            raise ValueError("client_id must say what the provider calls us")
        if "openid" not in self.scopes:
            raise ValueError('scopes must have "openid" in it')
        return self
