"""A picture for whoever reviews images: a map or an image, for eyes and never for diagnosis."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.model.image import Pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibit:
    """Pictures that belong together.

    Parameters
    ----------
    pixels
        Real; signed where it has negative values. Shape `(frame y x)`.
    aspect
        Height of a pixel by its width.
    begins
        Which image of the series the first picture belongs to, counted from 1.
    pixel_mm
        Distance of neighbouring columns; 0 where it is not known.
    facing
        Where the rows and the columns point in the patient, of each picture; empty where it is not known.
    white
        The value that is white at first; 0 where the brightest are.
    check
        The check of the gate that it shows; nothing of others.
    marks
        Row and column, counted from 0, of the worst place of each picture; empty where a check knows no places.
    placed
        Whether its pixels lie where those of the images do; those of k-space do not.
    """

    title: str
    pixels: Pixels
    aspect: float
    begins: int = 1
    pixel_mm: float = 0.0
    facing: tuple[tuple[str, str], ...] = ()
    white: float = 0.0
    check: str = ""
    marks: tuple[tuple[int, int], ...] = ()
    placed: bool = True
