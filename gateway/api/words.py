"""What may stand in addresses and bodies, and how lists are answered."""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field

from gateway.model.gate import Decision
from gateway.model.person import Right, Role

Item = TypeVar("Item")

Number = Annotated[int, Path(ge=1, le=2**63 - 1)]
Version = Annotated[int, Path(ge=0, le=2**31 - 1)]
ScanId = Annotated[str, Path(pattern="^[0-9a-f]{4,32}$", description="Its id, or the beginning of it.")]
PLAIN = r"^[^\x00-\x1f\x7f-\x9f]*$"
"""One line: no control characters."""
Line = Annotated[str, Field(max_length=500, pattern=PLAIN)]
NAME = r"^[^\x00-\x1f\x7f-\x9f/]+$"
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=NAME)]
NameInPath = Annotated[str, Path(min_length=1, max_length=64, pattern=NAME)]
Text = Annotated[str, Field(max_length=200_000, pattern=r"^[^\x00]*$", description="The text of a routes.toml.")]

Limit = Annotated[int, Query(ge=1, le=200, description="How many at most.")]
BeforeScan = Annotated[str | None, Query(pattern="^[0-9a-f]{32}$", description="Only those that came earlier.")]
Before = Annotated[int | None, Query(ge=1, le=2**63 - 1, description="Only those with a smaller number.")]


class Body(BaseModel):
    """What a program sends; a key it does not know is a fault."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Listed(BaseModel, Generic[Item]):
    """Some of a list, newest first."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    items: list[Item]
    next: int | str | None = None
    """Ask with this as `before` for those that follow; null where there are no more."""


def listed(items: list[Item], limit: int, number: int | str | None) -> Listed[Item]:
    """Answer a list; a full page may have another one behind it."""
    return Listed(items=items, next=number if len(items) == limit else None)


class Why(Body):
    """Why somebody does something."""

    reason: Line = ""
    """It is kept in the timeline and on the audit trail."""


class Because(Body):
    """Why somebody does what is not done without a reason."""

    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=PLAIN)]
    """It is kept on the audit trail."""


class Review(Body):
    """What a person says of images that the quality gate has held."""

    decision: Decision
    """Send them with their warning, send the conventional ones instead, or send nothing."""
    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=PLAIN)]
    """It is kept on the audit trail."""


class Again(Body):
    """How a scan is reconstructed again."""

    recipe: Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9._-]*$")] = ""
    """Without one, that which the scanner asked for, else the routes decide."""


class RoutesText(Body):
    """Routes to try."""

    text: Text


class Apply(Body):
    """Routes to put in force."""

    text: Text
    comment: Line = ""
    base: Annotated[int, Field(ge=0, le=2**31 - 1)]
    """Number of the version that they were made from; it must still be in force."""


class GoBack(Body):
    """An earlier version to put in force again."""

    version: Annotated[int, Field(ge=0, le=2**31 - 1)]
    comment: Line = ""


class Invite(Body):
    """Somebody to let in."""

    name: Name
    role: Role


class Change(Body):
    """What becomes of an account."""

    role: Role | None = None
    disabled: bool | None = None


class Wish(Body):
    """A token to make."""

    name: Name
    rights: Annotated[list[Right], Field(min_length=1, max_length=len(Right))]
    """Only such as the token has that asks for it."""
    days: Annotated[float, Field(gt=0, le=3650)] | None = 90
    """It is good for so long; null is until it is revoked."""
