"""A small store SCP that keeps what it is sent as files: the PACS of the demo and of the tests, not of a hospital."""

from __future__ import annotations

import logging
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Self

from pydicom import dcmread
from pydicom.errors import InvalidDicomError
from pydicom.uid import (
    EnhancedMRColorImageStorage,
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    LegacyConvertedEnhancedMRImageStorage,
    MRImageStorage,
)
from pynetdicom import AE, evt
from pynetdicom.events import Event

from gateway.dicom import values
from gateway.dicom.association import VERIFICATION
from gateway.dicom.files import write_whole
from gateway.dicom.guard import bound_socket
from gateway.model.ids import IMPLEMENTATION_CLASS_UID

logger = logging.getLogger(__name__)

SOP_CLASSES = (
    VERIFICATION,
    MRImageStorage,
    EnhancedMRImageStorage,
    EnhancedMRColorImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
)

MAX_ASSOCIATIONS = 8
TIMEOUT_S = 30.0
LONGEST_REJECTION_S = 2.0

STORED, OUT_OF_RESOURCES, NO_MATCH = 0x0000, 0xA700, 0xA900


class StoreScp:
    """Listens while it is entered; files go to ``folder / series UID / instance UID.dcm``.

    Parameters
    ----------
    ae_title
        Callers must use it.
    port
        0 for any free one.
    """

    def __init__(self, ae_title: str, host: str, port: int, folder: Path) -> None:
        self._address = (host, port)
        self._folder = folder
        self._ae = AE(ae_title=ae_title)
        self._ae.implementation_class_uid = IMPLEMENTATION_CLASS_UID
        self._ae.require_called_aet = True
        self._ae.maximum_associations = MAX_ASSOCIATIONS
        self._ae.acse_timeout = self._ae.dimse_timeout = self._ae.network_timeout = TIMEOUT_S
        for sop_class in SOP_CLASSES:
            self._ae.add_supported_context(sop_class, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])

    def __enter__(self) -> Self:
        """Start to listen.

        Raises
        ------
        OSError
            The address is taken.
        """
        handlers: list[evt.EventHandlerType] = [
            (evt.EVT_CONN_OPEN, bound_socket, [TIMEOUT_S]),
            (evt.EVT_C_STORE, self._answer),
        ]
        server = self._ae.start_server(self._address, block=False, evt_handlers=handlers)
        if server is None:
            raise OSError(f"no server at {self._address}")
        self._address = (self._address[0], server.server_address[1])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening and end all associations."""
        shut_down(self._ae)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._address[1]

    def _answer(self, event: Event) -> int:
        """Keep one object; the status tells the sender what became of it."""
        content = event.encoded_dataset()
        place = self._place(content)
        if place is None:
            return NO_MATCH
        try:
            write_whole(place, content)
        except OSError as fault:
            logger.warning("object not stored", extra={"error": str(fault)})
            return OUT_OF_RESOURCES
        return STORED

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


def shut_down(entity: AE) -> None:
    """End all associations; what is being rejected ends by itself, and pynetdicom stumbles over an abort of it."""
    for association in entity.active_associations:
        if not association.is_established:
            association.join(LONGEST_REJECTION_S)
    entity.shutdown()
