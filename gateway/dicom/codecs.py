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


def pack(ds: Dataset, compression: Compression) -> bytes:
    """Pack the pixels of an object into the fragments of an encapsulated Pixel Data element."""
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
