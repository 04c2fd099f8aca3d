"""Magnitudes of DICOM files as numbers, for trainings that are told to take finished images for the truth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError

from gateway.model.errors import UnreadableFile

PREAMBLE_BYTES, MAGIC = 128, b"DICM"
"""Of DICOM files (PS3.10 7.1)."""
MAGNITUDES = ("M", "M_FFE", "M_SE", "M_IR", "MAGNITUDE", "OTHER", "")
"""Third value of Image Type of images that show the size of the signal; makers that have none say OTHER."""


def is_dicom(file: Path) -> bool:
    """Say whether a file begins as DICOM files do, whatever its name is."""
    try:
        with file.open("rb") as opened:
            return opened.read(PREAMBLE_BYTES + len(MAGIC))[PREAMBLE_BYTES:] == MAGIC
    except OSError:
        return False


def read_magnitudes(file: Path) -> npt.NDArray[np.float32]:
    """Read the images of an MR object. Shape `(frame y x)`.

    Raises
    ------
    UnreadableFile
        It is no MR image, shows no magnitude, or its pixels are not all there.
    """
    try:
        ds = dcmread(file)
    except (InvalidDicomError, OSError, EOFError, ValueError) as error:
        raise UnreadableFile(file, "is not DICOM") from error
    fault = _fault(ds)
    if fault:
        raise UnreadableFile(file, fault)
    try:
        values = np.asarray(ds.pixel_array, np.float32)
    except Exception as error:  # decoders of all makes raise what they like
        raise UnreadableFile(file, "its pixels cannot be read") from error
    slope, intercept = float(ds.get("RescaleSlope") or 1), float(ds.get("RescaleIntercept") or 0)
    images: npt.NDArray[np.float32] = slope * values + np.float32(intercept)
    padding = ds.get("PixelPaddingValue")
    if padding is not None:
        images[values == float(padding)] = 0
    if not np.isfinite(images).all() or images.max() <= 0:
        raise UnreadableFile(file, "its images are empty, or not finite")
    return np.maximum(images, 0).reshape(-1, *images.shape[-2:])


def _fault(ds: Dataset) -> str:
    """Say why an object's images are nothing to learn from; nothing where they are."""
    kind: Sequence[str] = ds.get("ImageType") or ()
    third = str(kind[2]).upper() if len(kind) > 2 else ""  # noqa: PLR2004 - see above
    if ds.get("Modality") != "MR":
        return "is no MR image"
    if "PixelData" not in ds:
        return "has no pixels"
    if ds.get("SamplesPerPixel") != 1 or ds.get("PhotometricInterpretation") != "MONOCHROME2":
        return "is no grey image in which bright is much signal"
    if str(ds.get("ComplexImageComponent") or "MAGNITUDE") != "MAGNITUDE" or third not in MAGNITUDES:
        return f"shows no magnitude but {third or ds.get('ComplexImageComponent')}"
    return ""
