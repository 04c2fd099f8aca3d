"""Storage commitment (PS3.4 Annex J): how much of a proof a destination has to give, and what it reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Commitment(StrEnum):
    """What has to happen before a series counts as kept by a PACS."""

    AUTO = "auto"
    REQUIRED = "required"
    QUERY = "query"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a PACS reports of a transaction: instances by UID, those it does not keep with the reason."""

    transaction_uid: str
    committed: frozenset[str]
    failed: Mapping[str, int]


FAILURES: Mapping[int, str] = MappingProxyType(
    {
        0x0110: "processing failure",
        0x0112: "no such instance",
        0x0119: "class and instance do not agree",
        0x0122: "SOP class not supported",
        0x0131: "transaction UID used before",
        0x0213: "resource limitation",
    }
)
"""Failure Reason (0008,1197) of a storage commitment (PS3.3 C.14.1.1). Each leads to sending the instance again."""
