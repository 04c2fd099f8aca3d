"""Our own sender: stream a session to an MRD server as a scanner's exporter would."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import BinaryIO

from gateway.model.errors import PeerRefused, PeerUnreachable
from gateway.mrd import messages
from gateway.mrd.framing import Limits, MessageId
from gateway.mrd.parser import Parser

CHUNK_BYTES = 1 << 16
IMAGES_TIMEOUT_S = 3600.0
"""Of one who waits for images: the server says when it has waited long enough."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the server said."""

    texts: tuple[str, ...]
    n_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """How long to wait for every next word, and where to keep all that is said."""

    timeout_s: float = 60
    keep: BinaryIO | None = None


def send_session(
    stream: Iterable[bytes],
    host: str,
    port: int,
    *,
    on_sent: Callable[[int], None],
    expect: Expect = Expect(),
) -> Receipt:
    """Send a session and wait for the server's CLOSE.

    Raises
    ------
    PeerUnreachable
        Nobody listens, or the connection broke before any answer.
    PeerRefused
        The server ended the session without CLOSE: nothing is promised to be stored.
    """
    try:
        connection = socket.create_connection((host, port), expect.timeout_s)
    except OSError as error:
        raise PeerUnreachable(f"nobody takes scans at {host}:{port}: {error.strerror or error}") from error
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        n_bytes, broken = _send(connection, stream, on_sent)
        texts, closed = _receive(connection, expect.keep)
    if closed:
        return Receipt(texts, n_bytes)
    said = "; ".join(texts) or broken
    if texts:
        raise PeerRefused(f"{host}:{port} did not take the scan: {said}")
    raise PeerUnreachable(f"{host}:{port} ended the connection without an answer {said}".rstrip())


def _send(connection: socket.socket, stream: Iterable[bytes], on_sent: Callable[[int], None]) -> tuple[int, str]:
    """Send everything, or as much as the server takes: why it stopped is in its answer."""
    n_bytes = 0
    try:
        for piece in stream:
            connection.sendall(piece)
            n_bytes += len(piece)
            on_sent(len(piece))
    except TimeoutError:
        return n_bytes, f"(it stopped reading after {n_bytes} bytes)"
    except ConnectionError:
        return n_bytes, f"(after {n_bytes} bytes)"
    return n_bytes, ""


def _receive(connection: socket.socket, keep: BinaryIO | None) -> tuple[tuple[str, ...], bool]:
    parser, texts = Parser(Limits()), list[str]()
    try:
        while not parser.closed and parser.fault is None and (chunk := connection.recv(CHUNK_BYTES)):
            found = parser.feed(chunk)
            if keep is not None:
                keep.write(chunk)
            texts += [messages.decode_text(message.body) for message in found if message.id == MessageId.TEXT]
    except OSError:
        return tuple(texts), False
    return tuple(texts), parser.closed
