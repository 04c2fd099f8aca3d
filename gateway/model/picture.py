"""Images as a page shows them: what a viewer needs to know of a series, and one image as numbers."""

from __future__ import annotations

from dataclasses import dataclass

GATE = "Gate: "
"""Begins the names of the pictures that the gate has made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A series of a job."""

    description: str
    first: int
    """Number of its first image within the job, counted from 1."""
    count: int
    begins: int = 1
    """Which image of the series it was made for its first picture belongs to: a check may have looked at one alone."""
    check: str = ""
    """The check of the gate that it shows; nothing of others."""
    marks: tuple[tuple[int, int], ...] = ()
    """Row and column, counted from 0, of the worst place of each picture; empty where there is none."""
    placed: bool = True
    """Whether its pixels lie where those of the images do; those of k-space do not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grey:
    """One image as numbers."""

    rows: int
    columns: int
    aspect: float
    """Height of a pixel by its width."""
    center: float
    width: float
    """The window that the image itself names, linear (PS3.3 C.11.2.1.2.1)."""
    signed: bool
    pixel_mm: float = 0.0
    """Width of a pixel; 0 where it is not known."""
    right: str = ""
    """Where the rows point in the patient (PS3.3 C.7.6.1.1.1); empty where it is not known."""
    down: str = ""
    """Where the columns point."""
    pixels: bytes
    """16-bit little endian, row by row."""
