"""Keep a listener of pynetdicom from hanging; bound to `EVT_CONN_OPEN` of every association.

Measured with pynetdicom 3.0.4, all its timeouts set: a caller that stops in the middle of a PDU, drips it byte by byte
or stops reading holds its thread for ever, because the socket has no timeout.
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress

from pynetdicom import _config
from pynetdicom.events import Event
from pynetdicom.transport import AssociationSocket

LARGEST_PDU_BYTES = 1 << 20
"""We announce 16 KiB and send nothing that is answered with more; a length beyond this is an attack or a fault."""

_CHUNK_BYTES = 1 << 16

_config.LOG_HANDLER_LEVEL = "none"  # its debug handlers format every PDU, and log what is in them


class BoundedSocket(AssociationSocket):
    """A connection on which no PDU takes longer than the timeout, or more memory than its limit."""

    def recv(self, nr_bytes: int) -> bytearray:
        """Read all the bytes, or fewer where the peer has closed.

        Raises
        ------
        OSError
            The PDU is too long, or did not come in time; the connection is shut down.
        """
        try:
            return self._recv(nr_bytes)
        except OSError:
            self._shutdown_socket()
            raise

    def _recv(self, nr_bytes: int) -> bytearray:
        connection = self._open_socket()
        if nr_bytes > LARGEST_PDU_BYTES:
            raise ConnectionAbortedError(f"the peer announces a PDU of {nr_bytes} bytes")
        deadline = time.monotonic() + (connection.gettimeout() or 0)
        received = bytearray()
        while len(received) < nr_bytes:
            chunk = connection.recv(min(_CHUNK_BYTES, nr_bytes - len(received)))
            if not chunk:
                break
            received += chunk
            if time.monotonic() > deadline and len(received) < nr_bytes:
                raise TimeoutError("the peer drips a PDU")
        # The kernel forgets this after a few segments; without it a peer with Nagle's algorithm waits for our ACK.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return received

    def send(self, bytestream: bytes) -> None:
        """Write a whole PDU within the timeout, or report the connection as closed."""
        try:
            self._open_socket().sendall(bytestream)
        except OSError:
            self._shutdown_socket()
            self.event_queue.put("Evt17")

    def _shutdown_socket(self) -> None:
        """Close the connection, also one that was never made: pynetdicom leaves it to the garbage collector."""
        connection = self.socket
        if connection is None:
            return
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()

    def _open_socket(self) -> socket.socket:
        if self.socket is None:
            raise ConnectionAbortedError("the connection is closed")
        return self.socket


def bound_socket(event: Event, timeout_s: float) -> None:
    """Put limits on the connection that has just opened."""
    wrapper = event.assoc.dul.socket
    if wrapper is None or wrapper.socket is None:
        return
    wrapper.__class__ = BoundedSocket
    connection = wrapper.socket
    connection.settimeout(timeout_s)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(timeout_s * 1000))
