"""A small PACS that keeps what it is sent as files: that of the demo and of the tests, not of a hospital."""

from __future__ import annotations

import logging
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Self

from pydicom import dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.errors import InvalidDicomError
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import (
    UID,
    EnhancedMRColorImageStorage,
    EnhancedMRImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    MRImageStorage,
)

from gateway.dicom import commitment, values
from gateway.dicom.association import VERIFICATION
from gateway.dicom.command import Field
from gateway.dicom.commitment import STORAGE_COMMITMENT
from gateway.dicom.negotiation import IMPLEMENTATION_VERSION_NAME
from gateway.dicom.service import DicomService
from gateway.dicom.session import Answer, Gate, Handlers, Heard, ServiceLimits, answer_echo
from gateway.dicom.syntaxes import encode_dataset
from gateway.model.ids import IMPLEMENTATION_CLASS_UID
from gateway.whole import write_whole

logger = logging.getLogger(__name__)

SOP_CLASSES = (
    MRImageStorage,
    EnhancedMRImageStorage,
    EnhancedMRColorImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
)

MAX_ASSOCIATIONS = 8
LIMITS = ServiceLimits(associations=MAX_ASSOCIATIONS, associations_per_address=MAX_ASSOCIATIONS, message_bytes=1 << 29)

STORED, OUT_OF_RESOURCES, NO_MATCH = 0x0000, 0xA700, 0xA900
NO_SUCH_INSTANCE = 0x0112


class StoreScp:
    """Listens while it is entered; files go to ``folder / series UID / instance UID.dcm``, and are committed there.

    Parameters
    ----------
    ae_title
        Callers must use it.
    port
        0 for any free one.
    """

    def __init__(self, ae_title: str, host: str, port: int, folder: Path) -> None:
        self._folder = folder
        self._address = (host, port)
        self._ae_title = ae_title

    def __enter__(self) -> Self:
        """Start to listen.

        Raises
        ------
        OSError
            The address is taken.
        """
        handlers: Handlers = {
            (VERIFICATION, Field.C_ECHO): answer_echo,
            (STORAGE_COMMITMENT, Field.N_ACTION): self._commit,
            **{(str(sop_class), Field.C_STORE): self._store for sop_class in SOP_CLASSES},
        }
        gate = Gate(ae_title=self._ae_title, callers=None)
        self._service = DicomService(self._address, gate, handlers, LIMITS).__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening and end all associations."""
        self._service.__exit__(kind, error, trace)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._service.port

    def _store(self, heard: Heard) -> Answer:
        """Keep one object; the status tells the sender what became of it."""
        content = _as_file(heard)
        place = self._place(content)
        if place is None:
            return Answer(NO_MATCH)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            write_whole(place, content)
        except OSError as fault:
            logger.warning("object not stored", extra={"error": str(fault)})
            return Answer(OUT_OF_RESOURCES)
        return Answer(STORED)

    def _place(self, content: bytes) -> Path | None:
        """Name the file from valid UIDs only; None for an object that is not what its request says."""
        try:
            ds = dcmread(BytesIO(content), specific_tags=["SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID"])
            asked = (ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID)  # of the request
            given = (ds.get("SOPClassUID"), ds.get("SOPInstanceUID"))
            series = values.uid(str(ds.get("SeriesInstanceUID", "")))
        except (InvalidDicomError, EOFError, ValueError, KeyError, NotImplementedError) as fault:
            logger.warning("object not understood", extra={"error": type(fault).__name__})
            return None
        instance = values.uid(str(given[1]))
        if asked != given or series is None or instance is None:
            return None
        return self._folder / series / f"{instance}.dcm"

    def _commit(self, heard: Heard) -> Answer:
        """Report at once, over the same association, which instances are here (PS3.4 J.3)."""
        try:
            transaction, classes = commitment.read_request(heard.message.dataset, heard.syntax)
        except ValueError as fault:
            logger.warning("request not understood", extra={"error": str(fault)})
            return Answer(commitment.PROCESSING_FAILURE)
        here = {file.stem for file in self._folder.glob("*/*.dcm")}
        failed = dict.fromkeys([uid for uid in classes if uid not in here], NO_SUCH_INSTANCE)
        command, report = commitment.report_of(transaction, classes, failed)
        return Answer(STORED, (command, encode_dataset(report, heard.syntax)))


def _as_file(heard: Heard) -> bytes:
    """Put what is said of an object before it (PS3.10 7.1)."""
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\0\1"
    meta.MediaStorageSOPClassUID = UID(heard.sop_class)
    meta.MediaStorageSOPInstanceUID = UID(str(heard.message.command.get("AffectedSOPInstanceUID", "")))
    meta.TransferSyntaxUID = UID(heard.syntax)
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    buffer = DicomBytesIO()
    buffer.write(bytes(128) + b"DICM")
    write_file_meta_info(buffer, meta, enforce_standard=False)
    return buffer.getvalue() + heard.message.dataset
