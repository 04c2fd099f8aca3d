"""The port that a scanner sends to: one thread for each session, everything bounded.

A thread that receives, hashes and writes leaves the interpreter lock for all three, so sessions do not wait for each
other. The listener knows framing, order and limits; what happens to the bytes is its recorder's business.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from gateway.model.errors import BadStream, GatewayError, StorageFault
from gateway.model.refusal import Refusal, Refused, nobody_hears
from gateway.model.scan import Verdict
from gateway.mrd import messages
from gateway.mrd.framing import Limits
from gateway.mrd.session import Session

logger = logging.getLogger(__name__)

CHUNK_BYTES = 1 << 20
BACKLOG = 128
BUSY, NOT_STORED = "busy", "NOT STORED"
"""How refusals begin that may heal: the same scan may be sent again."""
ACCEPT_AGAIN_S = 0.5
"""Where the system has no descriptor left, a session must end before another can begin."""
PROBES = 4
LINGER_S = 2.0
"""How long a client may keep sending after its answer, so that the answer is not lost to a connection reset."""


class Recorder(Protocol):
    """Where the bytes of one session go."""

    def begin(self) -> None:
        """Note that this is a scan: its header has come."""

    def write(self, chunk: memoryview) -> None:
        """Keep the next bytes."""

    def count(self, n_acquisitions: int) -> None:
        """Note how many readouts have come."""

    def finish(self, verdict: Verdict) -> str:
        """Make the session durable and return the sentence for the client; only then is it acknowledged."""

    def respond(self, stopping: threading.Event) -> Iterator[bytes]:
        """Give what else goes to a client whose scan is stored, in pieces; it ends in time, and soon when we stop."""

    def discard(self) -> None:
        """Forget a session that nobody will miss."""

    def lose(self, reason: str) -> None:
        """Note that the session could not be kept."""

    def abandon(self) -> None:
        """Leave everything as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """How many sessions, and how long each may take."""

    sessions: int = 16
    sessions_per_address: int = 16
    first_message_s: float = 10
    message_s: float = 30
    idle_s: float = 900
    gone_s: float = 60
    """A client whose machine or line has died without a word is given up after this."""
    session_s: float = 14_400
    messages: Limits = field(default_factory=Limits)


class Listener:
    """Accept sessions until stopped."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        limits: SessionLimits,
        open_recorder: Callable[[str], Recorder],
        refused: Refused = nobody_hears,
    ) -> None:
        self._limits = limits
        self._open_recorder = open_recorder
        self._refused = refused
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._addresses: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        try:
            self._socket = socket.create_server((host, port), backlog=BACKLOG)
        except OSError as error:
            raise GatewayError(f"cannot listen for scans on {host}:{port}: {error.strerror}") from error
        self._thread = threading.Thread(target=self._accept, name="mrd-listener")

    @property
    def port(self) -> int:
        """The port in use, also when 0 was asked for."""
        port: int = self._socket.getsockname()[1]
        return port

    def start(self) -> None:
        """Begin to accept."""
        self._thread.start()

    def stop(self, grace_s: float = 5) -> None:
        """Accept no more, give running sessions some time to end, then cut them off."""
        self._stopping.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()
        deadline = time.monotonic() + grace_s
        for connection, thread in list(self._connections.items()):
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                with contextlib.suppress(OSError):  # it has ended meanwhile
                    connection.shutdown(socket.SHUT_RD)
                thread.join()

    def _accept(self) -> None:
        failed = ""
        while not self._stopping.is_set():
            try:
                connection, (host, *_) = self._socket.accept()
            except OSError as error:
                if self._stopping.is_set():
                    return
                if str(error) != failed:  # once, and not twice a second until it is over
                    logger.error("no connection can be accepted", extra={"reason": str(error)})  # noqa: TRY400 - expected
                failed = str(error)
                self._stopping.wait(ACCEPT_AGAIN_S)
                continue
            failed = ""
            refusal = self._admit(connection, host)
            if refusal:
                self._refused(host, Refusal.FULL, "")
                _answer(connection, messages.text(refusal))
                connection.close()

    def _admit(self, connection: socket.socket, host: str) -> str:
        """Start a session, or say why not."""
        with self._lock:
            if len(self._connections) >= self._limits.sessions:
                return f"{BUSY}: {self._limits.sessions} sessions are open; try again"
            if self._addresses[host] >= self._limits.sessions_per_address:
                return f"{BUSY}: {self._limits.sessions_per_address} sessions are open from {host}; try again"
            thread = threading.Thread(target=self._serve, args=(connection, host), name=f"mrd-{host}", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                return f"{BUSY}: this machine has no room for another thread; try again"
            self._connections[connection] = thread
            self._addresses[host] += 1
        return ""

    def _serve(self, connection: socket.socket, host: str) -> None:
        try:
            with connection:
                _notice_when_gone(connection, self._limits.gone_s)
                _serve_session(connection, self._open_recorder(host), self._limits, self._stopping)
        except GatewayError as error:
            logger.error("session refused", extra={"peer": host, "reason": str(error)})  # noqa: TRY400 - expected
        except Exception:  # the end of a long-running loop: one bad session must not stop the others
            logger.exception("session ended by a fault of ours", extra={"peer": host})
        finally:
            with self._lock:
                del self._connections[connection]
                self._addresses[host] -= 1


def _notice_when_gone(connection: socket.socket, gone_s: float) -> None:
    """Let the kernel ask a silent client whether it is still there: a line that died says nothing (RFC 9293, 3.8.4)."""
    each_s = max(1, round(gone_s / (PROBES + 1)))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, each_s)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, each_s)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, PROBES)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(1_000 * gone_s))


def _serve_session(
    connection: socket.socket, recorder: Recorder, limits: SessionLimits, stopping: threading.Event
) -> None:
    """Receive a session to its end, make it durable, then answer."""
    session = Session(limits.messages)
    try:
        stopped = _receive(connection, session, recorder, limits)
        whole = session.closed and not stopped
        if session.worth_keeping:
            _give(connection, [messages.text(recorder.finish(session.verdict(stopped)))], LINGER_S)
            _give(connection, recorder.respond(stopping) if whole else (), limits.message_s)
        else:
            recorder.discard()
        _answer(connection, messages.close() if whole else b"")
    except StorageFault as fault:
        logger.error("scan not stored", extra={"reason": str(fault)})  # noqa: TRY400 - expected
        _answer(connection, messages.text(f"{NOT_STORED}: {fault}"))
        recorder.lose(str(fault))
    finally:
        recorder.abandon()
        _linger(connection)


def _receive(connection: socket.socket, session: Session, recorder: Recorder, limits: SessionLimits) -> str:
    """Take bytes until the session ends; return why we ended it, or nothing where the client did."""
    buffer = memoryview(bytearray(CHUNK_BYTES))
    started = time.monotonic()
    begun = False
    while not session.closed:
        connection.settimeout(_patience(session, limits, started))
        try:
            n = connection.recv_into(buffer)
        except OSError as error:
            silent = isinstance(error, TimeoutError) and not error.errno  # the kernel's own carries ETIMEDOUT
            how = "the client was silent for too long" if silent else "the connection was lost"
            return f"{how} after {session.n_bytes} bytes"
        if not n:
            return ""
        taken = session.n_bytes
        try:
            reply = session.feed(buffer[:n])
        except BadStream as fault:
            recorder.write(buffer[:n])
            return str(fault)
        recorder.write(buffer[: session.n_bytes - taken])
        if session.scan_begun and not begun:
            recorder.begin()
            begun = True
        recorder.count(session.n_acquisitions)
        if reply:
            connection.sendall(reply)
    return ""


def _patience(session: Session, limits: SessionLimits, started: float) -> float:
    """How long the next byte may take."""
    age = time.monotonic() - started
    if not session.n_bytes or not session.whole_messages:
        allowed = limits.first_message_s - age
    else:
        allowed = limits.idle_s if session.between_messages else limits.message_s
    return max(0.001, min(allowed, limits.session_s - age))


def _give(connection: socket.socket, pieces: Iterable[bytes], patience_s: float) -> None:
    """Send what comes before the end of the answer; a client that is gone gets none of it."""
    connection.settimeout(patience_s)
    try:
        for piece in pieces:
            connection.sendall(piece)
    except OSError:
        logger.info("the client did not wait for all that was to be said")


def _answer(connection: socket.socket, answer: bytes) -> None:
    """Send the answer; a client that is gone does not get one."""
    connection.settimeout(LINGER_S)
    try:
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_WR)
    except OSError:
        logger.info("the client did not wait for its answer")


def _linger(connection: socket.socket) -> None:
    """Swallow what the client still sends, bounded: closing on unread bytes would reset the connection."""
    scratch = bytearray(CHUNK_BYTES)
    deadline = time.monotonic() + LINGER_S
    while (left := deadline - time.monotonic()) > 0:
        connection.settimeout(left)
        try:
            if not connection.recv_into(scratch):
                return
        except OSError:
            return
