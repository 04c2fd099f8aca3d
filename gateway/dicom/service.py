"""Our own DICOM port: associations that others open, each in a thread of its own, all of them bounded.

Whoever calls is a stranger until address, name and, with TLS, certificate have said otherwise. Nothing waits
longer than its limit; no PDU, no message and no number of connections grows beyond its own. What an operation means is
its handler's business.
"""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import NamedTuple, Self

from gateway.dicom.session import Gate, Handlers, ServiceLimits, Session
from gateway.dicom.wire import Wire
from gateway.model.refusal import Refusal

logger = logging.getLogger(__name__)

BACKLOG = 128
TELL_EVERY_S = 10.0
"""A flood of strangers makes a line in the log so often, not a line each."""


class _Guest(NamedTuple):
    """A connection that is looked after; where the house is full, only to be told so."""

    host: str
    thread: threading.Thread
    full: bool


class DicomService:
    """Answers while it is entered.

    Raises
    ------
    OSError
        The address is taken.
    """

    def __init__(
        self, address: tuple[str, int], gate: Gate, handlers: Handlers, limits: ServiceLimits | None = None
    ) -> None:
        self._gate = gate
        self._handlers = handlers
        self._limits = limits or ServiceLimits()
        self._guests: dict[socket.socket, _Guest] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._strangers, self._told_at = 0, -TELL_EVERY_S
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._socket = socket.create_server(address, family=family, backlog=BACKLOG)

    def __enter__(self) -> Self:
        """Start to answer."""
        self._thread = threading.Thread(target=self._accept, name="dicom-service")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening and cut all associations off."""
        self._stopping.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()
        for connection, guest in list(self._guests.items()):
            with suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)  # no TLS farewell: nobody listens
            guest.thread.join()

    @property
    def port(self) -> int:
        """Where it listens, also when 0 was asked for."""
        return int(self._socket.getsockname()[1])

    @property
    def sop_classes(self) -> set[str]:
        """What callers may propose."""
        return {sop_class for sop_class, _ in self._handlers}

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, (host, *_) = self._socket.accept()
            except OSError:
                if not self._stopping.wait(0.1):
                    logger.exception("accepting a connection failed")
                continue
            try:
                welcome = self._admits(host) and self._start(self._secured(connection), host)
            except OSError:  # it has gone already
                welcome = False
            if not welcome:
                connection.close()

    def _secured(self, connection: socket.socket) -> socket.socket:
        """Put TLS around a connection, where it is spoken; nothing is said yet."""
        connection.settimeout(self._limits.request_s)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._gate.tls is None:
            return connection
        return self._gate.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)

    def _admits(self, host: str) -> bool:
        """Whether a connection from this address is looked at, at all."""
        if self._gate.knows_address(host):
            return True
        self._gate.refused(host, Refusal.ADDRESS, "")
        self._strangers += 1
        if time.monotonic() - self._told_at >= TELL_EVERY_S:
            logger.warning("a stranger called", extra={"peer": host, "calls": self._strangers})
            self._strangers, self._told_at = 0, time.monotonic()
        return False

    def _start(self, connection: socket.socket, host: str) -> bool:
        """Give a connection a thread: as many as may be to be served, and as many again to be told to come later."""
        limits = self._limits
        with self._lock:
            for full in (False, True):
                of_all = [guest.host for guest in self._guests.values() if guest.full is full]
                if len(of_all) < limits.associations and of_all.count(host) < limits.associations_per_address:
                    break
            else:
                self._gate.refused(host, Refusal.FULL, "")
                return False
            thread = threading.Thread(target=self._serve, args=(connection,), name=f"dicom-{host}", daemon=True)
            self._guests[connection] = _Guest(host, thread, full)
        thread.start()
        return True

    def _serve(self, connection: socket.socket) -> None:
        guest, wire = self._guests[connection], Wire(connection, self._limits.message_s)
        farewell = b""
        try:
            if isinstance(connection, ssl.SSLSocket):
                self._shake_hands(connection, guest.host)
            farewell = Session(wire, self._gate, self._handlers, self._limits).run(guest.host, full=guest.full)
        except (OSError, ValueError) as fault:
            logger.info("association ended", extra={"peer": guest.host, "reason": str(fault) or type(fault).__name__})
        except Exception:  # the end of a long-running loop: one bad caller must not stop the others
            logger.exception("association ended by a fault of ours", extra={"peer": guest.host})
        finally:
            with self._lock:  # before it is told: whoever was released may call again at once
                del self._guests[connection]
            with suppress(OSError):
                wire.write(farewell)
            wire.close()

    def _shake_hands(self, connection: ssl.SSLSocket, host: str) -> None:
        """Find out who calls; whoever hangs up first, as a probe does, was not refused."""
        try:
            connection.do_handshake()
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            raise
        except ssl.SSLError as fault:
            self._gate.refused(host, Refusal.TLS, fault.reason or "")
            raise
