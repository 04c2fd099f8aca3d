"""An association with a PACS: opened, told apart by why it failed, and always closed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType

from pydicom.uid import UID
from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext
from pynetdicom.transport import AddressInformation

from gateway.dicom.guard import Caller, ReactorHold, bound_socket
from gateway.model.errors import PeerRefused, PeerUnreachable, SendError
from gateway.model.ids import IMPLEMENTATION_CLASS_UID
from gateway.model.route import PacsDestination

VERIFICATION = UID("1.2.840.10008.1.1")
"""SOP class of C-ECHO."""

TRANSIENT = 2
"""Result of an A-ASSOCIATE-RJ (PS3.8 table 9-21); 1 is permanent."""

REJECTIONS: Mapping[tuple[int, int], str] = MappingProxyType(
    {
        (1, 1): "no reason given",
        (1, 2): "application context name not supported",
        (1, 3): "calling AE title not recognised: the PACS does not know us",
        (1, 7): "called AE title not recognised: the PACS has another name",
        (2, 1): "no reason given",
        (2, 2): "protocol version not supported",
        (3, 1): "temporary congestion",
        (3, 2): "local limit exceeded",
    }
)
"""Source and reason of an A-ASSOCIATE-RJ (PS3.8 table 9-21)."""


@contextmanager
def open_association(destination: PacsDestination, contexts: Sequence[PresentationContext]) -> Iterator[Association]:
    """Open an association with at least one accepted context, and release it at the end.

    Raises
    ------
    PeerUnreachable
        Nobody answers there, or the peer is busy.
    PeerRefused
        The peer does not want us, or nothing of what we offer.
    """
    hold = ReactorHold()
    association = _associate(destination, contexts, hold)
    try:
        if not association.is_established:
            raise _why_not(association, destination)
        yield association
    finally:
        association.release()
        hold.let_go()
        if association.dul.socket is not None:
            association.dul.socket.close()  # pynetdicom forgets it when the peer talks nonsense


def _associate(destination: PacsDestination, contexts: Sequence[PresentationContext], hold: ReactorHold) -> Association:
    ae = Caller(ae_title=destination.calling_ae_title)
    ae.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    ae.connection_timeout = ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = destination.timeout_s
    try:
        return ae.associate(
            AddressInformation(destination.host, destination.port).address,
            destination.port,
            contexts=list(contexts),
            ae_title=destination.ae_title,
            evt_handlers=[
                (evt.EVT_CONN_OPEN, bound_socket, [destination.timeout_s]),
                (evt.EVT_CONN_OPEN, hold.apply),
            ],
        )
    except OSError as fault:
        raise PeerUnreachable(f"{describe(destination)}: {fault.strerror or fault}") from fault


def _why_not(association: Association, destination: PacsDestination) -> SendError:
    """Say why there is no association."""
    peer = describe(destination)
    answer = association.acceptor.primitive
    if association.is_rejected and answer is not None:
        reason = REJECTIONS.get((answer.result_source or 0, answer.diagnostic or 0), "unknown reason")
        kind = PeerUnreachable if answer.result == TRANSIENT else PeerRefused
        called = f"called as {destination.ae_title!r} by {destination.calling_ae_title!r}"
        return kind(f"{peer} rejected the association, {called}: {reason}")
    if association.rejected_contexts:
        names = sorted({str(context.abstract_syntax) for context in association.rejected_contexts})
        return PeerRefused(f"{peer} accepts none of the SOP classes offered: {', '.join(names)}")
    return PeerUnreachable(f"{peer} does not answer, or not as a DICOM peer")


def describe(destination: PacsDestination) -> str:
    """Name a peer so that a person finds it."""
    return f"{destination.ae_title} at {destination.host}:{destination.port}"
