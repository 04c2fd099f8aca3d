"""A PACS that does as its script says, over real sockets: pynetdicom's SCP for answers, bare bytes for bad manners."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage
from pynetdicom import AE, _config, evt
from pynetdicom.events import Event

from gateway.dicom import negotiation
from gateway.dicom.association import VERIFICATION
from gateway.dicom.negotiation import Rejection
from gateway.dicom.query import STUDY_ROOT_FIND
from tests.peers import LOOPBACK

_config.LOG_HANDLER_LEVEL = "none"  # its debug handlers format every PDU

Answer = Callable[[Event], int | Dataset]
LONGEST_REJECTION_S = 2.0
Find = Callable[[Event], Iterator[tuple[int, Dataset | None]]]


@contextmanager
def scripted_pacs(
    store: Answer,
    syntaxes: Sequence[UID] = (ExplicitVRLittleEndian,),
    sop_class: UID = MRImageStorage,
    *,
    find: Find | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[tuple[int, AE]]:
    """Answer every C-STORE and C-FIND as told; gives the port, and the entity for further settings."""
    ae = AE(ae_title="PACS")
    ae.add_supported_context(sop_class, list(syntaxes))
    ae.add_supported_context(VERIFICATION)
    handlers: list[evt.EventHandlerType] = [(evt.EVT_C_STORE, store)]
    if find is not None:
        ae.add_supported_context(STUDY_ROOT_FIND)
        handlers.append((evt.EVT_C_FIND, find))
    server = ae.start_server((LOOPBACK, 0), block=False, evt_handlers=handlers, ssl_context=tls)
    assert server is not None
    try:
        yield server.server_address[1], ae
    finally:
        shut_down(ae)


def shut_down(entity: AE) -> None:
    """End all associations; what is being rejected ends by itself, and pynetdicom stumbles over an abort of it."""
    for association in entity.active_associations:
        if not association.is_established:
            association.join(LONGEST_REJECTION_S)
    entity.shutdown()


@contextmanager
def rude_peer(talk: Callable[[socket.socket, threading.Event], None]) -> Iterator[int]:
    """Accept one connection and let the script talk on it until the test is over."""
    over = threading.Event()
    with socket.create_server((LOOPBACK, 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                try:
                    talk(connection, over)
                except OSError:
                    return  # the gateway hung up, which is what it should do
                over.wait()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
            thread.join()


def reset(connection: socket.socket) -> None:
    """Drop the connection so that the other end gets a TCP reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def rejects(rejection: Rejection) -> Callable[[socket.socket, threading.Event], None]:
    """Make a script that rejects the association."""

    def talk(connection: socket.socket, _over: threading.Event) -> None:
        receive_pdu(connection)
        connection.sendall(negotiation.associate_reject(rejection))

    return talk


def receive_pdu(connection: socket.socket) -> bytes:
    """Read one PDU (PS3.8 9.3.1): type, reserved byte, length, contents."""
    head = _exactly(connection, 6)
    return head + _exactly(connection, int.from_bytes(head[2:], "big"))


def _exactly(connection: socket.socket, n_bytes: int) -> bytes:
    received = b""
    while len(received) < n_bytes:
        chunk = connection.recv(n_bytes - len(received))
        if not chunk:
            raise ConnectionResetError
        received += chunk
    return received


def accept_association(connection: socket.socket) -> None:
    """Accept the first presentation context of the request, the others too, each with its first transfer syntax."""
    request = receive_pdu(connection)
    items = _items(request[74:])
    contexts = [content for kind, content in items if kind == 0x20]
    accepted = b"".join(
        _item(0x21, content[:1] + b"\0\0\0" + _item(0x40, _items(content[4:])[1][1])) for content in contexts
    )
    application = _item(0x10, b"1.2.840.10008.3.1.1.1")
    user = _item(0x50, _item(0x51, (16384).to_bytes(4, "big")) + _item(0x52, b"1.2.3.4"))
    connection.sendall(_pdu(2, request[6:74] + application + accepted + user))


def _items(content: bytes) -> list[tuple[int, bytes]]:
    items = []
    while content:
        length = int.from_bytes(content[2:4], "big")
        items.append((content[0], content[4 : 4 + length]))
        content = content[4 + length :]
    return items


def _item(kind: int, content: bytes) -> bytes:
    return bytes([kind, 0]) + len(content).to_bytes(2, "big") + content


def _pdu(kind: int, content: bytes) -> bytes:
    return bytes([kind, 0]) + len(content).to_bytes(4, "big") + content
