"""A picture of one DICOM image as its own window shows it: for pages and demos, not for diagnosis."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom import dcmread


def png_of(path: Path) -> bytes:
    """Draw the image as PNG: 8-bit grey, linear VOI function (PS3.3 C.11.2.1.2.1), pixels made square."""
    ds = dcmread(path)
    center, width = float(ds.WindowCenter), float(ds.WindowWidth)
    values = ds.pixel_array.astype(np.float32)
    shown = ((values - (center - 0.5)) / max(width - 1, 1) + 0.5).clip(0, 1) * 255
    image = Image.fromarray(shown.round().astype(np.uint8))
    between_rows, between_columns = (float(mm) for mm in ds.PixelSpacing)
    size = (image.width, max(1, round(image.height * between_rows / between_columns)))
    png = BytesIO()
    (image if size == image.size else image.resize(size, Image.Resampling.BILINEAR)).save(png, "PNG")
    return png.getvalue()
