"""From what a provider says of somebody to who that is here: a name, and the role that its groups stand for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.model.person import Role
from gateway.model.sign_on import LONGEST_NAME, Guest

FIRST_OF = (Role.ADMIN, Role.OPERATOR, Role.AUDITOR, Role.VIEWER, Role.READER)
"""Who is in several groups gets the first of these roles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Which claims say what."""

    name: str = "preferred_username"
    """The claim that holds the name; a dot goes into an object."""
    groups: str = "groups"
    """The claim that holds groups or roles: a text or a list of them."""
    roles: Mapping[Role, frozenset[str]] = field(default_factory=dict)
    """What these have to be for each of our roles."""

    def guest(self, claims: Mapping[str, Any]) -> Guest:
        """Say who somebody is."""
        number = str(claims["sub"])
        return Guest(
            subject=f"{claims['iss']} {number}", name=_name(_claim(claims, self.name), number), role=self._role(claims)
        )

    def lacks(self, claims: Mapping[str, Any]) -> bool:
        """Whether a claim that we go by is not there."""
        wanted = [self.name, *([self.groups] if self.roles else [])]
        return any(_claim(claims, one) is None for one in wanted)

    def _role(self, claims: Mapping[str, Any]) -> Role | None:
        said = _claim(claims, self.groups)
        listed = said if isinstance(said, list) else [said]
        groups = {one for one in listed if isinstance(one, str)}
        return next((role for role in FIRST_OF if groups & self.roles.get(role, frozenset())), None)


def _claim(claims: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - whatever a provider says
    """Look a claim up by its name, else along its dots: ``realm_access.roles``."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for step in name.split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
    return found


def _name(said: object, number: str) -> str:
    """Take a name as people can read it; without one, the number that the person has at the provider."""
    name = said.strip() if isinstance(said, str) else ""
    name = name if name and name.isprintable() else number
    return "".join(letter for letter in name if letter.isprintable())[:LONGEST_NAME]
