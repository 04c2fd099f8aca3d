"""What each kind of image is in DICOM: its Image Type, the unit of its integers, and the words for it.

A quantity is stored so that the integer itself is the value in a customary unit: a reader that knows nothing of Real
World Value Mapping (PS3.3 C.7.6.16.2.11) still shows a number that means something.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gateway.model.image import ImageKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A unit of UCUM (PS3.16 CID 82), and how many stored integers one of it is."""

    code: str
    meaning: str
    steps: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class KindRow:
    """One kind of image.

    Parameters
    ----------
    flavor
        Image Type value 3 of a classic object: one of the IOD's terms (PS3.3 C.8.3.1.1.1).
    mark
        Image Type value 4 of a classic object.
    derived
        Whether its values were computed from those of other images; the parts of an image are originals.
    contrast
        Image Type value 4 of an Enhanced object (C.8.16.1.4).
    title
        Ends the Series Description; nothing for the images that everybody expects.
    unit
        None for arbitrary units: then the largest value of the series fills the bits.
    """

    flavor: str = "OTHER"
    mark: str
    contrast: str = "NONE"
    component: str = "MAGNITUDE"
    title: str = ""
    signed: bool = False
    unit: Unit | None = None
    bits: int = 16
    derived: bool = False


MAGNITUDE_BITS = 12
"""Twelve bits stored in sixteen: what every viewer takes."""

_TENTH = Unit(code="1", meaning="no units", steps=10)
_THOUSANDTH = Unit(code="1", meaning="no units", steps=1000)
_MS = Unit(code="ms", meaning="millisecond")

KINDS: Mapping[ImageKind, KindRow] = MappingProxyType(
    {
        ImageKind.MAGNITUDE: KindRow(mark="M", bits=MAGNITUDE_BITS),
        ImageKind.PHASE: KindRow(
            flavor="PHASE MAP",
            mark="P",
            component="PHASE",
            title="phase",
            signed=True,
            unit=Unit(code="rad", meaning="radian", steps=1000),
        ),
        ImageKind.REAL: KindRow(mark="R", component="REAL", title="real", signed=True),
        ImageKind.IMAGINARY: KindRow(mark="I", component="IMAGINARY", title="imaginary", signed=True),
        ImageKind.SNR: KindRow(mark="SNR MAP", derived=True, contrast="DIVISION", title="SNR", unit=_TENTH),
        ImageKind.NOISE: KindRow(mark="NOISE MAP", derived=True, contrast="STD_DEVIATION", title="noise"),
        ImageKind.G_FACTOR: KindRow(
            mark="G FACTOR MAP", derived=True, contrast="DIVISION", title="g-factor", unit=_THOUSANDTH
        ),
        ImageKind.UNCERTAINTY: KindRow(
            mark="UNCERTAINTY MAP", derived=True, contrast="STD_DEVIATION", title="uncertainty"
        ),
        ImageKind.T1: KindRow(flavor="T1 MAP", mark="T1", derived=True, title="T1", unit=_MS),
        ImageKind.T2: KindRow(flavor="T2 MAP", mark="T2", derived=True, title="T2", unit=_MS),
        ImageKind.T2_STAR: KindRow(
            mark="T2 STAR MAP",
            derived=True,
            title="T2*",
            unit=Unit(code="ms", meaning="millisecond", steps=10),
        ),
        ImageKind.ADC: KindRow(
            flavor="DIFFUSION MAP",
            mark="ADC",
            derived=True,
            title="ADC",
            unit=Unit(code="um2/s", meaning="square micrometer per second"),
        ),
        ImageKind.FAT_FRACTION: KindRow(
            mark="PDFF", derived=True, title="fat fraction", unit=Unit(code="%", meaning="percent", steps=10)
        ),
        ImageKind.VELOCITY: KindRow(
            flavor="VELOCITY MAP",
            mark="VELOCITY",
            derived=True,
            title="velocity",
            signed=True,
            unit=Unit(code="mm/s", meaning="millimeter per second"),
        ),
        ImageKind.FIELD: KindRow(
            mark="B0 MAP",
            derived=True,
            title="field",
            signed=True,
            unit=Unit(code="Hz", meaning="hertz", steps=10),
        ),
    }
)
"""Every kind but complex pixels, which DICOM has not: a recipe that gives them gives their parts."""
