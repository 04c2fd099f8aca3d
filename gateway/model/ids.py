"""Identifiers: which thing is meant, and the DICOM UIDs that derive from it."""

from __future__ import annotations

import hashlib
from typing import NewType

RecordingId = NewType("RecordingId", str)
"""Names a recording in the spool and its scan row: 32 hexadecimal digits of ours, never a name from the wire."""

JobId = NewType("JobId", int)
SeriesId = NewType("SeriesId", int)
DeliveryId = NewType("DeliveryId", int)

UID_NAMESPACE = "mri-gateway:1"
"""First part of every derived UID; changing it changes every UID the product has ever derived."""

IMPLEMENTATION_CLASS_UID = "2.25.267311963240318270930526148893271512407"
"""Ours alone (a random UUID, PS3.5 B.2); names the software that wrote a file (PS3.10 table 7.1-1)."""


def derive_uid(*parts: str | int) -> str:
    """Derive a UID from what it identifies (PS3.5 B.2), so that the same work cannot make a second series.

    128 bits of SHA-256 over the length-prefixed parts, below the root 2.25; at most 44 characters.
    """
    digest = hashlib.sha256()
    for part in (UID_NAMESPACE, *parts):
        text = str(part).encode()
        digest.update(len(text).to_bytes(8, "big") + text)
    return f"2.25.{int.from_bytes(digest.digest()[:16], 'big')}"
