"""Objects as DICOM files (PS3.10) in explicit little endian; what the objects of a series share is encoded once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element
from pydicom.uid import ExplicitVRLittleEndian

from gateway.dicom.codecs import SYNTAXES, pack, packing_of
from gateway.dicom.negotiation import IMPLEMENTATION_VERSION_NAME
from gateway.model.form import Compression
from gateway.model.ids import IMPLEMENTATION_CLASS_UID

_PREAMBLE = bytes(128) + b"DICM"
_GROUP_LENGTH = b"\2\0\0\0UL\4\0"
_PIXEL_DATA = 0x7FE00010
_PIXELS_HEAD = b"\xe0\x7f\x10\0OW\0\0"
_PACKED_HEAD = b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff"
_PACKED_END = b"\xfe\xff\xdd\xe0\0\0\0\0"


def encode_series(datasets: Sequence[Dataset], compression: Compression = Compression.NONE) -> Iterator[bytes]:
    """Encode objects, each with a preamble of zeros; elements that are the same Python object are encoded once."""
    character_set = datasets[0].get("SpecificCharacterSet")
    known: dict[int, bytes] = {}  # by identity, which is safe while the objects live
    for ds in datasets:
        packing = packing_of(ds, compression)
        pieces = [_PREAMBLE, _file_meta(ds, packing)]
        for element in sorted(ds.values(), key=_tag_number):
            if element.tag == _PIXEL_DATA:
                pieces += _pixel_data(ds, packing)
                continue
            if (encoded := known.get(id(element))) is None:
                encoded = known[id(element)] = _element(element, character_set)
            pieces.append(encoded)
        yield b"".join(pieces)


def _tag_number(element: DataElement | RawDataElement) -> int:
    return int(element.tag)


def _pixel_data(ds: Dataset, compression: Compression) -> tuple[bytes, ...]:
    """Encode the element whose value is large, and may be packed (PS3.5 A.4), without copying it."""
    if compression is not Compression.NONE:
        return (_PACKED_HEAD, pack(ds, compression), _PACKED_END)
    padding = b"\0" * (len(ds.PixelData) % 2)
    return (_PIXELS_HEAD, (len(ds.PixelData) + len(padding)).to_bytes(4, "little"), ds.PixelData, padding)


def _element(element: DataElement | RawDataElement, character_set: str | None) -> bytes:
    buffer = _explicit_buffer()
    write_data_element(buffer, element, character_set)
    return buffer.getvalue()


def _file_meta(ds: Dataset, compression: Compression) -> bytes:
    """Encode the file meta information (PS3.10 7.1), which is the same in every file but for one UID."""
    meta = Dataset()
    meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    (uid,) = (_element(element, None) for element in meta)
    before, after = _common_meta(str(ds.SOPClassUID), SYNTAXES.get(compression, ExplicitVRLittleEndian))
    content = before + uid + after
    return _GROUP_LENGTH + len(content).to_bytes(4, "little") + content


@cache
def _common_meta(sop_class_uid: str, syntax: str) -> tuple[bytes, bytes]:
    """Encode what stands before the UID of the instance, and what stands behind it."""
    before, after = Dataset(), Dataset()
    before.FileMetaInformationVersion = b"\0\1"
    before.MediaStorageSOPClassUID = sop_class_uid
    after.TransferSyntaxUID = syntax
    after.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
    after.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    joined = (b"".join(_element(element, None) for element in part) for part in (before, after))
    return next(joined), next(joined)


def _explicit_buffer() -> DicomBytesIO:
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = False, True
    return buffer
