"""How an image was weighted by diffusion, where the header says it: b-value and direction of the gradient.

Enhanced MR has a functional group for it (PS3.3 C.8.13.5.9). MR Image Storage has no place of its own: there the same
public attributes stand beside the others, as a standard extension of the SOP class (PS3.2 7.3), and readers of classic
objects look for them there.
"""

from __future__ import annotations

import math

from pydicom.dataset import Dataset

from gateway.model.header import Diffusion, ScanHeader
from gateway.model.image import Frame

COUNTED = ("contrast", "phase", "repetition", "set")
"""Counters of an image by which a header may list weightings; readouts have others, which no image has."""


def weighting(frame: Frame, header: ScanHeader) -> Diffusion | None:
    """Find the weighting of an image; None where the header does not say it."""
    listed, counter = header.sequence.diffusion, header.sequence.diffusion_dimension
    if counter is None:
        return listed[0] if len(listed) == 1 else None
    number = getattr(frame, counter) if counter in COUNTED else len(listed)
    return listed[number] if number < len(listed) else None


def put_diffusion(ds: Dataset, frame: Frame, header: ScanHeader) -> None:
    """Fill b-value and direction (0018,9087 and 0018,9089)."""
    if (weighted := weighting(frame, header)) is None:
        return
    ds.DiffusionBValue = weighted.b_value_s_per_mm2
    if (direction := _unit(weighted)) is not None:
        ds.DiffusionGradientOrientation = direction


def diffusion_group(frame: Frame, header: ScanHeader) -> Dataset:
    """Fill the item of the MR Diffusion Sequence; empty where nothing is known."""
    item = Dataset()
    if (weighted := weighting(frame, header)) is None:
        return item
    item.DiffusionBValue = weighted.b_value_s_per_mm2
    if (direction := _unit(weighted)) is not None:
        item.DiffusionDirectionality = "DIRECTIONAL"
        gradient = Dataset()
        gradient.DiffusionGradientOrientation = direction
        item.DiffusionGradientDirectionSequence = [gradient]
    elif weighted.b_value_s_per_mm2 == 0:
        item.DiffusionDirectionality = "NONE"
    return item


def _unit(weighted: Diffusion) -> list[float] | None:
    """Give the direction the length that the standard wants; none without a gradient, or where none is told."""
    length = math.hypot(*weighted.direction)
    if weighted.b_value_s_per_mm2 == 0 or length == 0:
        return None
    return [component / length for component in weighted.direction]
