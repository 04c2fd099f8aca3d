"""A DICOMweb service over HTTP (PS3.18): asked in time, over a connection that is kept; what it says is for others."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from gateway.dicom.tls import client_context
from gateway.dicom.wire import SLOWEST_BYTES_PER_S
from gateway.model.destinations import WebPeer
from gateway.model.errors import PeerUnreachable, SettingsFault

LARGEST_ANSWER_BYTES = 1 << 24

TRY_LATER = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
"""Beside these, every 5xx."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked, below the root of the service."""

    method: str = "GET"
    path: str
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    body: Sequence[bytes] = ()

    @property
    def n_bytes(self) -> int:
        """Length of the body."""
        return sum(map(len, self.body))


class Reply(NamedTuple):
    """What was answered."""

    status: int
    body: bytes


class WebConnection:
    """A connection to a service; use `connected`."""

    def __init__(self, peer: WebPeer) -> None:
        self._peer = peer
        self._http = _http_of(peer)
        self._kept = False
        """Whether it has served before, so that the service may have closed it meanwhile."""

    def ask(self, request: Request) -> Reply:
        """Ask, within the timeout and the time that so many bytes may take.

        Raises
        ------
        PeerUnreachable
            Nobody answers, or not to the end.
        """
        late = threading.Event()
        try:
            with _at_most(self._http, self._peer.timeout_s + request.n_bytes / SLOWEST_BYTES_PER_S, late):
                try:
                    return self._once(request)
                except ConnectionError:
                    if not self._kept or late.is_set():
                        raise
                    self._http.close()
                    return self._once(request)
        except (OSError, HTTPException) as fault:
            self._http.close()
            why = "nothing whole in time" if late.is_set() else str(fault) or type(fault).__name__
            raise PeerUnreachable(f"{self._peer.url} does not answer: {why}") from fault

    def _once(self, request: Request) -> Reply:
        length = {"Content-Length": str(request.n_bytes)} if request.body else {}
        headers = {"Accept": "application/dicom+json", **request.headers, **length, **_authorization(self._peer)}
        path = urlsplit(self._peer.url).path.rstrip("/") + request.path
        self._http.request(request.method, path, request.body or None, headers)
        self._acknowledge_at_once()
        response = self._http.getresponse()
        self._acknowledge_at_once()
        body = response.read(LARGEST_ANSWER_BYTES)
        if not response.isclosed():
            self._http.close()  # there is more of it than anybody reads
        self._kept = self._http.sock is not None
        return Reply(response.status, body)

    def _acknowledge_at_once(self) -> None:
        """Let no archive with Nagle's algorithm wait 40 ms for our ACK of half its answer; the kernel forgets this."""
        if self._http.sock is not None:
            self._http.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def close(self) -> None:
        """Hang up."""
        self._http.close()


@contextmanager
def connected(peer: WebPeer) -> Iterator[WebConnection]:
    """Make a connection, which opens with the first question, and close it at the end."""
    connection = WebConnection(peer)
    try:
        yield connection
    finally:
        connection.close()


def ask_archive(peer: WebPeer, path: str) -> tuple[int, Any]:
    """Ask a question below the root of the service; yields the HTTP status, and the JSON of a 200.

    Raises
    ------
    PeerUnreachable
        Nobody answers, it is broken, or what it says cannot be read.
    """
    with connected(peer) as connection:
        status, body = connection.ask(Request(path=path))
    if passes(status):
        raise PeerUnreachable(f"{peer.url} answered {named(status)}")
    try:
        return status, json.loads(body) if status == HTTPStatus.OK else None
    except ValueError as fault:
        raise PeerUnreachable(f"{peer.url} answers with what cannot be read") from fault


def look(peer: WebPeer) -> None:
    """Ask whether anybody is there.

    Raises
    ------
    PeerUnreachable
        Nobody answers, or it is broken.
    """
    ask_archive(peer, "/studies?limit=1")


def passes(status: int) -> bool:
    """Whether a status tells of a state that passes by itself."""
    return status in TRY_LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def named(status: int) -> str:
    """Write a status so that a person knows it."""
    with suppress(ValueError):
        return f"{status} ({HTTPStatus(status).phrase.lower()})"
    return str(status)


def _authorization(peer: WebPeer) -> dict[str, str]:
    if peer.token_file is None:
        return {}
    try:
        return {"Authorization": f"Bearer {peer.token_file.read_text('ascii').strip()}"}
    except (OSError, UnicodeDecodeError) as fault:
        raise SettingsFault("token_file", [f"{peer.token_file} cannot be used: {fault}"]) from fault


def _http_of(peer: WebPeer) -> HTTPConnection:
    url = urlsplit(peer.url)
    if url.scheme == "http":
        return HTTPConnection(url.netloc, timeout=peer.timeout_s)
    return HTTPSConnection(url.netloc, timeout=peer.timeout_s, context=client_context(peer.tls))


@contextmanager
def _at_most(connection: HTTPConnection, seconds: float, late: threading.Event) -> Iterator[None]:
    """Hang up when the time is over, whatever the other one is doing: its timeout starts anew with every byte."""

    def hang_up() -> None:
        late.set()
        if connection.sock is not None:
            with suppress(OSError):
                socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)  # no TLS farewell: nobody listens

    timer = threading.Timer(seconds, hang_up)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
