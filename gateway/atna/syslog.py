"""Syslog messages (RFC 5424) over TLS (RFC 5425) or UDP (RFC 5426), as PS3.15 A.6 and A.7 want them for audit messages.

Nobody confirms a syslog message. Over TLS the end is waited for, so that a server which died with our messages unread
is noticed, and they are sent again; over UDP only a machine that refuses them is.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.model.errors import NotTold, SettingsFault

PRIORITY = 10 * 8 + 5
"""Facility security/authorization, severity notice: PS3.15 A.6."""

MESSAGE_ID = "DICOM+RFC3881"
APPLICATION = "mri-gateway"
BOM = b"\xef\xbb\xbf"
"""What follows is UTF-8 (RFC 5424 6.4)."""

REFUSED_WITHIN_S = 0.2
"""So long a machine may take to say that nobody listens there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Syslog:
    """A server, and how it is spoken to."""

    host: str
    port: int
    context: Callable[[], ssl.SSLContext] | None
    """Who it has to be; without it everything goes in the clear, by UDP."""
    hostname: str
    timeout_s: float

    def __call__(self, messages: Sequence[tuple[datetime, bytes]]) -> None:
        """Send messages, each with its moment.

        Raises
        ------
        NotTold
            The server is not there, is another one, or did not take them.
        """
        framed = [self._framed(at, xml) for at, xml in messages]
        try:
            if self.context is None:
                self._send_by_udp(framed)
            else:
                self._send_by_tls(framed, self.context)
        except (OSError, SettingsFault) as fault:
            raise NotTold(f"{self.host}:{self.port} did not take the messages: {_told(fault)}") from fault

    def check(self) -> None:
        """Find out whether the server is there and who it has to be; of UDP nobody can tell.

        Raises
        ------
        NotTold
            It is not.
        """
        if self.context is None:
            return
        try:
            with self._connection(self.context) as connection:
                _wait_for_the_end(connection)
        except (OSError, SettingsFault) as fault:
            raise NotTold(f"{self.host}:{self.port} does not answer: {_told(fault)}") from fault

    def _framed(self, at: datetime, xml: bytes) -> bytes:
        moment = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        head = f"<{PRIORITY}>1 {moment} {self.hostname} {APPLICATION} {os.getpid()} {MESSAGE_ID} - "
        return head.encode("ascii", "replace") + BOM + xml

    def _send_by_tls(self, messages: Sequence[bytes], context: Callable[[], ssl.SSLContext]) -> None:
        """Send each with its length before it (RFC 5425 4.3), and wait until the server has read them all."""
        with self._connection(context) as connection:
            for message in messages:
                connection.sendall(b"%d %b" % (len(message), message))
            _wait_for_the_end(connection)

    @contextmanager
    def _connection(self, context: Callable[[], ssl.SSLContext]) -> Iterator[ssl.SSLSocket]:
        secured = context()
        bare = socket.create_connection((self.host, self.port), timeout=self.timeout_s)
        with bare, secured.wrap_socket(bare, server_hostname=self.host) as connection:
            yield connection

    def _send_by_udp(self, messages: Sequence[bytes]) -> None:
        """Send each in a datagram of its own."""
        family, kind, protocol, _, address = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as line:
            line.settimeout(self.timeout_s)
            line.connect(address)
            for message in messages:
                line.send(message)
            line.settimeout(REFUSED_WITHIN_S)
            with suppress(TimeoutError):
                line.recv(1)


def _wait_for_the_end(connection: ssl.SSLSocket) -> None:
    """Say that nothing more comes, and wait until the server has hung up too.

    With TLS 1.3 a server may look at our certificate when all of this was sent already (RFC 8446 4.4.2), and some
    refuse it by a friendly close of the session, which looks like the answer to ours. What it left unread shows only
    below TLS: the connection is then reset.

    Raises
    ------
    OSError
        It went away with what it had not read, or refused who we are.
    """
    with suppress(TimeoutError, ssl.SSLEOFError):  # it took everything, and hung up its own way, or not at all
        line = connection.unwrap()
        line.shutdown(socket.SHUT_WR)
        line.recv(1)


def _told(fault: Exception) -> str:
    if isinstance(fault, ssl.SSLCertVerificationError):
        return fault.verify_message
    return str(fault) if isinstance(fault, SettingsFault) else type(fault).__name__
