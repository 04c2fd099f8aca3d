"""A connection on which nothing takes longer than its deadline: neither read, write nor handshake. It knows no DICOM.

Everything happens in the thread of the caller, so that nobody else can take an answer away, and nothing is left behind.
"""

from __future__ import annotations

import select
import socket
import ssl
import time
from contextlib import suppress

SLOWEST_BYTES_PER_S = 100_000
"""Whoever takes less than this is no destination but a fault: a deadline of a write grows with its size."""

_CHUNK_BYTES = 1 << 16


class Wire:
    """A connected TCP or TLS socket.

    Parameters
    ----------
    timeout_s
        How long anything may take.
    """

    def __init__(self, connection: socket.socket, timeout_s: float) -> None:
        self._connection = connection
        self._received = bytearray()
        self.timeout_s = timeout_s

    def wait(self, seconds: float) -> bool:
        """Wait until something can be read, or the peer has closed; say whether it is so."""
        if self._received or (isinstance(self._connection, ssl.SSLSocket) and self._connection.pending()):
            return True
        poll = select.poll()
        poll.register(self._connection, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def read(self, n_bytes: int, deadline: float) -> bytes:
        """Read exactly so many bytes.

        Parameters
        ----------
        deadline
            By `time.monotonic`.

        Raises
        ------
        OSError
            They did not come in time, or the peer has closed.
        """
        while len(self._received) < n_bytes:
            self._wait_until(deadline)
            chunk = self._connection.recv(_CHUNK_BYTES)
            if not chunk:
                raise ConnectionResetError("the peer has closed the connection")
            self._received += chunk
            # The kernel forgets this after a few segments; without it a peer with Nagle's algorithm waits for our ACK.
            self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        content = bytes(self._received[:n_bytes])
        del self._received[:n_bytes]
        return content

    def write(self, content: bytes) -> None:
        """Write all of it.

        Raises
        ------
        OSError
            The peer did not take it in time, or has closed.
        """
        deadline = time.monotonic() + self.timeout_s + len(content) / SLOWEST_BYTES_PER_S
        left = memoryview(content)
        while left:
            self._wait_until(deadline)
            left = left[self._connection.send(left) :]

    def _wait_until(self, deadline: float) -> None:
        """Let the next call on the socket take no longer than is left, and no longer than anything may."""
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError(f"nothing complete within {self.timeout_s:g} s")
        self._connection.settimeout(min(left_s, self.timeout_s))

    def close(self) -> None:
        """Hang up."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()


def connect(host: str, port: int, *, timeout_s: float, tls: ssl.SSLContext | None = None) -> Wire:
    """Call a host; with ``tls``, prove who both are before anything is said.

    Raises
    ------
    OSError
        Nobody answers there in time, or not the one we want (`ssl.SSLError`).
    """
    connection = socket.create_connection((host, port), timeout=timeout_s)
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            connection = tls.wrap_socket(connection, server_hostname=host)
    except OSError:
        connection.close()
        raise
    return Wire(connection, timeout_s)
