"""Send a series by STOW-RS (PS3.18 10.5), as the files that are in the outbox; the answer for each instance is read."""

from __future__ import annotations

import json
import logging
import secrets
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

from gateway.dicom.dicomweb import Request, WebConnection, connected, named, passes
from gateway.dicom.outbox import read_checked
from gateway.dicom.status import Outcome, meaning_of
from gateway.dicom.store import OnStored
from gateway.dicom.syntaxes import unpacked
from gateway.model.destinations import StowDestination
from gateway.model.errors import PeerRefused, PeerUnreachable, SendError
from gateway.model.series import Instance

logger = logging.getLogger(__name__)

READABLE = frozenset({HTTPStatus.OK, HTTPStatus.ACCEPTED, HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT})
"""Statuses whose body tells what became of each instance (PS3.18 10.5.3; Orthanc says 400 where some failed)."""

SYNTAX_REFUSED = 0xC122
"""Failure reason of an instance whose transfer syntax the archive does not support (PS3.18 table I.2-2)."""

_STORED_INSTANCES, _FAILED_INSTANCES = "00081199", "00081198"
_INSTANCE_UID, _WARNING_REASON, _FAILURE_REASON = "00081155", "00081196", "00081197"

Written = Sequence[tuple[Instance, Path]]


class Answer(NamedTuple):
    """What an archive says: the HTTP status, and of each instance it names its DICOM status."""

    http_status: int
    stored: dict[str, int]
    failed: dict[str, int]


class _Busy(PeerUnreachable):
    """The archive took nothing of a request, and may take it later."""


def store_by_web(instances: Written, destination: StowDestination, on_stored: OnStored) -> None:
    """Send instances, some in each request, over as many connections as the destination allows.

    Parameters
    ----------
    on_stored
        Called with the instance and its status as soon as the archive has it; never by two threads at a time.

    Raises
    ------
    PeerUnreachable
        Nobody answers in time, it is busy, or an outcome is unknown: send the same bytes again later.
    PeerRefused
        The archive does not want this, and will not.
    DamagedFile
        A file is not what was written.
    """
    sending = _Sending(instances, destination, on_stored)
    n_connections = min(destination.max_connections, sending.n_left)
    with ThreadPoolExecutor(max(n_connections, 1), "stow") as connections:
        for one in [connections.submit(sending.run) for _ in range(n_connections)]:
            one.result()
    sending.run()  # what was given back at the very end


class _Sending:
    """What the connections of one delivery share: the requests that are left, and who is told."""

    def __init__(self, instances: Written, destination: StowDestination, on_stored: OnStored) -> None:
        step = destination.instances_per_request
        self._left = deque(instances[begin : begin + step] for begin in range(0, len(instances), step))
        self._destination = destination
        self._on_stored = on_stored
        self._telling = threading.Lock()
        self._n_at_work = 0
        self._form: Callable[[bytes], bytes] = bytes
        """Files as they lie in the outbox, until the archive has refused their packing."""

    @property
    def n_left(self) -> int:
        """How many requests are left."""
        return len(self._left)

    def run(self) -> None:
        """Send what is left, one request after the other; where one fails, all connections stop.

        Where the archive has no time for this connection, the others go on without it.
        """
        self._change(1)
        with connected(self._destination) as connection:
            while (batch := self._next()) is not None:
                try:
                    self._store(batch, connection)
                except BaseException as fault:  # whatever it is, an interrupt too: nobody is to go on behind it
                    if isinstance(fault, _Busy) and self._change(-1):
                        logger.info("fewer connections than allowed", extra={"reason": str(fault)})
                        self._left.appendleft(batch)
                        return
                    self._left.clear()
                    raise
        self._change(-1)

    def _change(self, by: int) -> int:
        """Count the connections that are at work."""
        with self._telling:
            self._n_at_work += by
            return self._n_at_work

    def _next(self) -> Written | None:
        try:
            return self._left.popleft()
        except IndexError:
            return None

    def _store(self, instances: Written, connection: WebConnection) -> None:
        """Send one request; too large, it becomes two of half the size; its packing refused, it goes without."""
        files = [self._form(read_checked(instance, path)) for instance, path in instances]
        answer = _post(connection, files)
        if answer.http_status == HTTPStatus.UNSUPPORTED_MEDIA_TYPE or SYNTAX_REFUSED in answer.failed.values():
            self._form = unpacked
            answer = _post(connection, [unpacked(content) for content in files])
        if answer.http_status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE and len(instances) > 1:
            half = len(instances) // 2
            self._left.extendleft((instances[half:], instances[:half]))
            return
        if passes(answer.http_status):
            raise _Busy(f"{self._destination.url} answered {named(answer.http_status)}")
        self._judge(instances, answer)

    def _judge(self, instances: Written, answer: Answer) -> None:
        """Tell what is stored, and raise where something is not."""
        failures = []
        for instance, _ in instances:
            if instance.sop_instance_uid in answer.stored:
                with self._telling:
                    self._on_stored(instance, answer.stored[instance.sop_instance_uid])
            else:
                failures.append(_failure(answer, instance, self._destination))
        if failures:
            raise max(failures, key=lambda failure: isinstance(failure, PeerRefused))


def _failure(answer: Answer, instance: Instance, destination: StowDestination) -> SendError:
    """Say why an instance is not known to be stored."""
    uid, status = instance.sop_instance_uid, answer.http_status
    reason = answer.failed.get(uid)
    if reason is not None:
        row = meaning_of(reason)
        kind = PeerUnreachable if row.outcome is Outcome.RETRY else PeerRefused
        return kind(f"{destination.url} answered 0x{reason:04X} ({row.meaning}) to instance {uid}")
    if status < HTTPStatus.MULTIPLE_CHOICES:
        return PeerUnreachable(f"{destination.url} answered {status} and nothing about instance {uid}")
    return PeerRefused(f"{destination.url} answered {named(status)}")


def _post(connection: WebConnection, files: Sequence[bytes]) -> Answer:
    """Send one request and read its answer."""
    boundary = secrets.token_hex(16)
    kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
    body = list(_parts(files, boundary))
    reply = connection.ask(Request(method="POST", path="/studies", headers={"Content-Type": kind}, body=body))
    return _read(reply.status, reply.body)


def _parts(files: Sequence[bytes], boundary: str) -> Iterator[bytes]:
    for content in files:
        yield f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        yield content
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()


def _read(status: int, body: bytes) -> Answer:
    """Read what the archive says of each instance (PS3.18 annex I); what cannot be read says nothing."""
    try:
        told = json.loads(body) if status in READABLE else {}
        stored = {uid: reason or 0 for uid, reason in _named_in(told, _STORED_INSTANCES, _WARNING_REASON)}
        failed = {uid: reason or 0x0110 for uid, reason in _named_in(told, _FAILED_INSTANCES, _FAILURE_REASON)}
    except (ValueError, AttributeError, KeyError, IndexError, TypeError):
        return Answer(status, {}, {})
    return Answer(status, {uid: reason for uid, reason in stored.items() if uid not in failed}, failed)


def _named_in(told: dict[str, Any], sequence: str, reason: str) -> Iterator[tuple[str, int | None]]:
    for item in told.get(sequence, {}).get("Value", []):
        (uid,) = item[_INSTANCE_UID]["Value"]
        yield str(uid), int(item[reason]["Value"][0]) if reason in item else None
