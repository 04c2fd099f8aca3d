"""A PACS calls us: it verifies that we are here, and reports what it keeps."""

from __future__ import annotations

import logging

from gateway.dicom.association import VERIFICATION
from gateway.dicom.command import Field
from gateway.dicom.commitment import STORAGE_COMMITMENT, takes_reports
from gateway.dicom.service import DicomService
from gateway.dicom.session import Gate, Handlers, ServiceLimits, answer_echo
from gateway.jobs.proofs import Proofs
from gateway.model.errors import GatewayError

logger = logging.getLogger(__name__)


def our_service(address: tuple[str, int], gate: Gate, limits: ServiceLimits, proofs: Proofs) -> DicomService:
    """Make our DICOM port; it listens while it is entered.

    Raises
    ------
    GatewayError
        The address is taken.
    """
    handlers: Handlers = {
        (VERIFICATION, Field.C_ECHO): answer_echo,
        (STORAGE_COMMITMENT, Field.N_EVENT_REPORT): takes_reports(proofs.report),
    }
    try:
        return DicomService(address, gate, handlers, limits)
    except OSError as error:
        raise GatewayError(f"cannot listen for DICOM on {address[0]}:{address[1]}: {error.strerror}") from error
