"""Images of a DICOM file as pages show them, each by its own window: for orientation, not for diagnosis."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom import Dataset, dcmread

from gateway.dicom.geometry import facing
from gateway.model.picture import Grey

REMEMBERED = 4_096
"""Files of which the number of frames is remembered; a file in the outbox never changes."""


@lru_cache(REMEMBERED)
def frames_in(path: Path) -> int:
    """Count the images in a file."""
    ds = dcmread(path, stop_before_pixels=True, specific_tags=["NumberOfFrames"])
    return int(ds.get("NumberOfFrames") or 1)


def grey_of(path: Path, frame: int = 0) -> Grey:
    """Read one image of a file, frames counted from 0."""
    ds = dcmread(path)
    values = _values(ds, frame)
    center, width = _window(ds, frame)
    between_rows, between_columns = _spacing_mm(ds, frame)
    right, down = _facing(ds, frame)
    signed = bool(ds.PixelRepresentation)
    return Grey(
        rows=values.shape[0],
        columns=values.shape[1],
        aspect=between_rows / between_columns,
        center=center,
        width=width,
        signed=signed,
        pixel_mm=between_columns,
        right=right,
        down=down,
        pixels=values.astype("<i2" if signed else "<u2").tobytes(),
    )


def png_of(path: Path, frame: int = 0) -> bytes:
    """Draw one image of a file as PNG."""
    return drawn(grey_of(path, frame))


def drawn(grey: Grey) -> bytes:
    """Draw an image as PNG: 8-bit grey, linear VOI function (PS3.3 C.11.2.1.2.1), pixels made square."""
    values = np.frombuffer(grey.pixels, "<i2" if grey.signed else "<u2").reshape(grey.rows, grey.columns)
    shown = ((values - (grey.center - 0.5)) / max(grey.width - 1, 1) + 0.5).clip(0, 1) * 255
    image = Image.fromarray(shown.round().astype(np.uint8))
    size = (image.width, max(1, round(image.height * grey.aspect)))
    png = BytesIO()
    (image if size == image.size else image.resize(size, Image.Resampling.BILINEAR)).save(png, "PNG")
    return png.getvalue()


def _values(ds: Dataset, frame: int) -> npt.NDArray[Any]:
    values = ds.pixel_array
    return values[frame] if values.ndim == 3 else values  # noqa: PLR2004 - (frame y x)


def _group(ds: Dataset, frame: int, name: str) -> Dataset:
    """Find a functional group of a frame: its own, or the one that all share, or the object itself (PS3.3 C.7.6.16)."""
    own = ds.get("PerFrameFunctionalGroupsSequence")
    shared = ds.get("SharedFunctionalGroupsSequence")
    for groups in ([own[frame]] if own else [], shared or []):
        for group in groups:
            if name in group:
                return group[name].value[0]  # type: ignore[no-any-return]
    return ds


def _window(ds: Dataset, frame: int) -> tuple[float, float]:
    """Take the window of a frame; of several the first."""
    group = _group(ds, frame, "FrameVOILUTSequence")
    return _first(group.WindowCenter), _first(group.WindowWidth)


def _spacing_mm(ds: Dataset, frame: int) -> tuple[float, float]:
    between_rows, between_columns = _group(ds, frame, "PixelMeasuresSequence").PixelSpacing
    return float(between_rows), float(between_columns)


def _facing(ds: Dataset, frame: int) -> tuple[str, str]:
    """Say where rows and columns point; a Secondary Capture does not know."""
    cosines = _group(ds, frame, "PlaneOrientationSequence").get("ImageOrientationPatient")
    if not cosines:
        return "", ""
    values = np.asarray(cosines, np.float64)
    return facing(values[:3]), facing(values[3:])


def _first(value: Any) -> float:  # noqa: ANN401 - one number, or several
    return float(value if isinstance(value, int | float | str) or not hasattr(value, "__getitem__") else value[0])
