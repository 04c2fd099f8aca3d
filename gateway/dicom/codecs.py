"""Lossless codecs of pixels (PS3.5 8.2): each frame packed by itself, in one fragment, with an offset table (A.4)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.encoders.base import get_encoder
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from gateway.model.form import Compression

SYNTAXES: Mapping[Compression, str] = MappingProxyType(
    {
        Compression.RLE: str(RLELossless),
        Compression.JPEG_LS: str(JPEGLSLossless),
        Compression.JPEG_2000: str(JPEG2000Lossless),
    }
)
"""Transfer syntax of each; the pixels that come out are those that went in, bit by bit."""


SMALLEST_JPEG_2000 = 32
"""Our encoder halves an image five times, which fewer rows or columns do not allow."""


def packing_of(ds: Dataset, compression: Compression) -> Compression:
    """Say how an object can be packed: what is too small for it stays as it is, as every peer takes that."""
    too_small = compression is Compression.JPEG_2000 and min(ds.Rows, ds.Columns) < SMALLEST_JPEG_2000
    return Compression.NONE if too_small else compression


def pack(ds: Dataset, compression: Compression) -> bytes:
    """Pack the pixels of an object into the fragments of an encapsulated Pixel Data element."""
    # pydicom packs through these three: one that is absent shows here, and who packs nothing does not load them
    import jpeg_ls  # noqa: F401, PLC0415
    import openjpeg  # noqa: F401, PLC0415
    import pylibjpeg  # noqa: F401, PLC0415

    encoder = get_encoder(SYNTAXES[compression])
    n_frames = int(ds.get("NumberOfFrames", 1))
    pixels = np.frombuffer(ds.PixelData, "<i2" if ds.PixelRepresentation else "<u2")
    described = {
        "rows": ds.Rows,
        "columns": ds.Columns,
        "samples_per_pixel": 1,
        "number_of_frames": 1,
        "bits_allocated": ds.BitsAllocated,
        "bits_stored": ds.BitsStored,
        "pixel_representation": ds.PixelRepresentation,
        "photometric_interpretation": ds.PhotometricInterpretation,
    }
    frames = pixels.reshape(n_frames, ds.Rows, ds.Columns)
    return encapsulate([bytes(encoder.encode(frame, **described)) for frame in frames])
