"""Files of the outbox: read and compared with what was written, and cut to what travels."""

from __future__ import annotations

import hashlib
from pathlib import Path

from gateway.model.errors import DamagedFile
from gateway.model.series import Instance

_PREAMBLE_BYTES = 128
_GROUP_LENGTH = b"DICM\2\0\0\0UL\4\0"
_TRANSFER_SYNTAX = b"\2\0\x10\0UI"
_META_BEGIN = _PREAMBLE_BYTES + len(_GROUP_LENGTH) + 4


def read_checked(instance: Instance, path: Path) -> bytes:
    """Read a file of the outbox and compare it with the hash it had when it was written.

    Raises
    ------
    DamagedFile
        It is missing, or not what was written.
    """
    try:
        content = path.read_bytes()
    except OSError as fault:
        raise DamagedFile(f"instance {instance.sop_instance_uid} cannot be read: {fault.strerror}") from fault
    if hashlib.sha256(content).hexdigest() != instance.sha256:
        raise DamagedFile(f"instance {instance.sop_instance_uid} is not what was written: {path} has changed")
    return content


def dataset_of(content: bytes) -> bytes:
    """Cut the data set out of a DICOM file (PS3.10 7.1): what follows the preamble and the file meta information.

    Raises
    ------
    DamagedFile
        It is no DICOM file.
    """
    return content[_meta_end(content) :]


def syntax_of(content: bytes) -> str:
    """Read the transfer syntax of a DICOM file that we wrote: in its meta information, that tag is nowhere else.

    Raises
    ------
    DamagedFile
        It is no DICOM file.
    """
    meta = content[: _meta_end(content)]
    begin = meta.find(_TRANSFER_SYNTAX) + len(_TRANSFER_SYNTAX) + 2
    length = int.from_bytes(meta[begin - 2 : begin], "little")
    return meta[begin : begin + length].rstrip(b"\0").decode("ascii")


def _meta_end(content: bytes) -> int:
    if content[_PREAMBLE_BYTES : _META_BEGIN - 4] != _GROUP_LENGTH:
        raise DamagedFile("a file in the outbox is no DICOM file")
    return _META_BEGIN + int.from_bytes(content[_META_BEGIN - 4 : _META_BEGIN], "little")
