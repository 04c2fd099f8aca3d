"""Transfer syntaxes: what we offer, and a data set of the outbox in the one that the peer has taken."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from io import BytesIO

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from gateway.dicom.codecs import SYNTAXES
from gateway.dicom.encoding import encode_series
from gateway.dicom.outbox import dataset_of, syntax_of
from gateway.model.form import Compression

UNCOMPRESSED = (str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian))
"""The first is what lies in the outbox, unless it is packed; the second every peer must take (PS3.5 10.1)."""


def offered(compression: Compression) -> Sequence[str]:
    """List what a peer may choose from, best first; uncompressed is always there to fall back to."""
    packed = SYNTAXES.get(compression)
    return (packed, *UNCOMPRESSED) if packed else UNCOMPRESSED


def encode_as(content: bytes, syntax: str) -> bytes:
    """Encode the data set of a file of the outbox, as it lies there or uncompressed; only the latter decodes it."""
    if syntax == syntax_of(content):
        return dataset_of(content)
    return encode_dataset(_decoded(content), syntax)


def unpacked(content: bytes) -> bytes:
    """Make a whole file uncompressed, for whoever takes files and not this packing."""
    if syntax_of(content) == UNCOMPRESSED[0]:
        return content
    return next(encode_series([_decoded(content)]))


def _decoded(content: bytes) -> Dataset:
    ds = dcmread(BytesIO(content))
    if ds.file_meta.TransferSyntaxUID.is_compressed:
        ds.decompress(generate_instance_uid=False)
    return ds


def encode_dataset(ds: Dataset, syntax: str) -> bytes:
    """Encode a data set, without preamble and file meta information."""
    buffer = DicomBytesIO()
    buffer.is_implicit_VR = syntax == UNCOMPRESSED[1]
    buffer.is_little_endian = True
    write_dataset(buffer, ds)
    return buffer.getvalue()


def decode_dataset(content: bytes, syntax: str) -> Dataset:
    """Decode an uncompressed data set.

    Raises
    ------
    ValueError
        It is none.
    """
    try:
        return read_dataset(BytesIO(content), syntax == UNCOMPRESSED[1], is_little_endian=True)
    except (InvalidDicomError, EOFError, KeyError, NotImplementedError, struct.error) as fault:
        raise ValueError(f"no data set: {fault}") from fault
