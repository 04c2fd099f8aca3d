"""Words of signing in elsewhere: at an identity provider that vouches for people (OpenID Connect Core 1.0)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from gateway.model.person import Role

LONGEST_NAME = 64
"""Characters of a person's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """A browser on its way to the provider, and what it has to bring back."""

    state: str
    """Comes back in the address; nobody else's browser knows it."""
    nonce: str
    """Comes back inside the token: one that was made for another errand does not fit."""
    verifier: str
    """Never leaves us; its digest does, so that a code that somebody has seen is worth nothing (RFC 7636)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """Somebody for whom the provider vouches."""

    subject: str
    """Issuer and number there. A person is known by it alone: names and addresses change hands."""
    name: str
    role: Role | None
    """What the provider's groups make them here; nothing where no group of theirs is mapped to a role."""


class Provider(Protocol):
    """What the page needs of an identity provider."""

    @property
    def label(self) -> str:
        """What people call the account that they have there."""

    def begin(self) -> tuple[str, Errand]:
        """Say where to send a browser, and what has to come back."""

    def finish(self, code: str, errand: Errand) -> Guest:
        """Turn what came back into somebody."""

    def leave(self) -> str | None:
        """Say where people sign out there; nothing where the provider offers no such place."""

    def check(self) -> None:
        """Ask for everything that signing in needs, and let nobody in."""
