"""Why somebody who called one of our ports was not served."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TypeAlias


class Refusal(StrEnum):
    """The reasons there are, as the audit trail words them."""

    ADDRESS = "nobody may call from this address"
    CALLING = "no caller of this AE title is known at this address"
    CALLED = "it called us by another AE title"
    TLS = "it did not prove itself by TLS"
    FULL = "too many connections are open"


Refused: TypeAlias = Callable[[str, Refusal, str], None]
"""Hears of the address, the reason, and what else there is to say of this call; it never keeps its caller waiting."""


def nobody_hears(_address: str, _why: Refusal, _detail: str) -> None:
    """Let a refusal pass, where nobody keeps them."""
