"""Projects for which scans are de-identified (``[projects.NAME]`` in ``routes.toml``), and their pseudonyms."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field

from gateway.model.table import Table

SHORTEST_KEY_BYTES = 32
LONGEST_SHIFT_DAYS = 3650


class Option(StrEnum):
    """Options of the Basic Application Level Confidentiality Profile (PS3.15 E.3) that a project may take."""

    CLEAN_DESCRIPTORS = "clean-descriptors"
    MODIFIED_DATES = "modified-dates"
    PATIENT_CHARACTERISTICS = "patient-characteristics"
    DEVICE = "device"
    INSTITUTION = "institution"


class Project(Table):
    """What may be known of patients in a project; without options, nothing that the profile removes."""

    key_file: Path
    """File with the secret that makes the pseudonyms, 32 bytes or more; whoever has it can tell who is who."""
    options: tuple[Option, ...] = ()
    """What is retained or cleaned instead of removed (PS3.15 E.3)."""
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{0,24}$")] = ""
    """What every pseudonym begins with."""
    words: tuple[str, ...] = ()
    """With clean-descriptors: words that may stay, beside those of radiology that are known."""

    def resolved(self, folder: Path) -> Self:
        """Let relative paths start at a folder."""
        return self.model_copy(update={"key_file": folder / self.key_file.expanduser()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pseudonyms:
    """Names that only who has the secret can make again; the same for the same, in all series of a project."""

    secret: bytes = field(repr=False)
    prefix: str = ""

    def digest(self, kind: str, text: str) -> bytes:
        """Derive 32 bytes from a text of a kind (HMAC, RFC 2104, with SHA-256)."""
        return hmac.digest(self.secret, f"{kind}\0{text}".encode(), hashlib.sha256)

    def patient(self, whose: str) -> str:
        """Name a patient."""
        return self.prefix + base64.b32encode(self.digest("patient", whose)).decode()[:16]

    def uid(self, uid: str) -> str:
        """Replace a UID by one below 2.25 (PS3.5 B.2)."""
        return f"2.25.{int.from_bytes(self.digest('uid', uid)[:16], 'big')}"

    def days(self, whose: str) -> int:
        """Say by how many days a patient's dates are moved back: one number for each, so that intervals stay."""
        return 1 + int.from_bytes(self.digest("days", whose)[:4], "big") % LONGEST_SHIFT_DAYS
