"""How a series is written for a destination: which objects, and how their pixels are packed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ObjectFormat(StrEnum):
    """The DICOM objects that images become (PS3.3 A.4 and A.36)."""

    CLASSIC = "classic"
    """MR Image Storage, an object for each image: every PACS and every viewer takes it."""
    ENHANCED = "enhanced"
    """Enhanced MR Image Storage, one object for the whole series."""


class Compression(StrEnum):
    """Lossless ways to pack pixels (PS3.5 8.2)."""

    NONE = "none"
    RLE = "rle"
    JPEG_LS = "jpeg-ls"
    JPEG_2000 = "jpeg-2000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One way to write a series; destinations that want the same one share its files."""

    format: ObjectFormat = ObjectFormat.CLASSIC
    compression: Compression = Compression.NONE

    @property
    def folder(self) -> str:
        """Name its folder in the outbox; the plain form lies in the outbox itself."""
        return "" if self == PLAIN else f"{self.format}-{self.compression}"


PLAIN = Form()
"""Classic and uncompressed, what everybody takes."""
