"""Send a series by STOW-RS (PS3.18 10.5), as the files that are in the outbox; the answer for each instance is read."""

from __future__ import annotations

import json
import secrets
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from gateway.dicom.outbox import read_checked
from gateway.dicom.status import Outcome, meaning_of
from gateway.dicom.store import OnStored
from gateway.dicom.syntaxes import unpacked
from gateway.dicom.tls import client_context
from gateway.dicom.wire import SLOWEST_BYTES_PER_S
from gateway.model.destinations import StowDestination
from gateway.model.errors import PeerRefused, PeerUnreachable, SendError, SettingsFault
from gateway.model.series import Instance

LARGEST_ANSWER_BYTES = 1 << 24

READABLE = frozenset({HTTPStatus.OK, HTTPStatus.ACCEPTED, HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT})
"""Statuses whose body tells what became of each instance (PS3.18 10.5.3; Orthanc says 400 where some failed)."""

TRY_LATER = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
"""Beside these, every 5xx."""

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


def store_by_web(instances: Written, destination: StowDestination, on_stored: OnStored) -> None:
    """Send instances, some in each request, and say of each at once that the archive has it.

    Raises
    ------
    PeerUnreachable
        Nobody answers in time, it is busy, or an outcome is unknown: send the same bytes again later.
    PeerRefused
        The archive does not want this, and will not.
    DamagedFile
        A file is not what was written.
    """
    step = destination.instances_per_request
    for begin in range(0, len(instances), step):
        _store_some(instances[begin : begin + step], destination, on_stored)


def _store_some(instances: Written, destination: StowDestination, on_stored: OnStored) -> None:
    """Send one request; where it is too large, two of half the size; where the packing is not taken, without it."""
    files = [read_checked(instance, path) for instance, path in instances]
    answer = _post(destination, files)
    if answer.http_status == HTTPStatus.UNSUPPORTED_MEDIA_TYPE or SYNTAX_REFUSED in answer.failed.values():
        answer = _post(destination, [unpacked(content) for content in files])
    if answer.http_status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE and len(instances) > 1:
        half = len(instances) // 2
        _store_some(instances[:half], destination, on_stored)
        _store_some(instances[half:], destination, on_stored)
        return
    failures = []
    for instance, _ in instances:
        if instance.sop_instance_uid in answer.stored:
            on_stored(instance, answer.stored[instance.sop_instance_uid])
        else:
            failures.append(_failure(answer, instance, destination))
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
    if status in TRY_LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return PeerUnreachable(f"{destination.url} answered {_named(status)}")
    return PeerRefused(f"{destination.url} answered {_named(status)}")


def _named(status: int) -> str:
    with suppress(ValueError):
        return f"{status} ({HTTPStatus(status).phrase.lower()})"
    return str(status)


def _post(destination: StowDestination, files: Sequence[bytes]) -> Answer:
    """Send one request and read its answer, within the timeout and the time that so many bytes may take."""
    boundary = secrets.token_hex(16)
    body = list(_parts(files, boundary))
    n_bytes = sum(len(part) for part in body)
    headers = {
        "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
        "Content-Length": str(n_bytes),
        "Accept": "application/dicom+json",
        **_authorization(destination),
    }
    connection = _connection(destination)
    try:
        with _at_most(connection, destination.timeout_s + n_bytes / SLOWEST_BYTES_PER_S):
            connection.request("POST", f"{urlsplit(destination.url).path.rstrip('/')}/studies", body, headers)
            response = connection.getresponse()
            return _read(response.status, response.read(LARGEST_ANSWER_BYTES))
    except (OSError, HTTPException) as fault:
        raise PeerUnreachable(f"{destination.url} does not answer: {str(fault) or type(fault).__name__}") from fault
    finally:
        connection.close()


def look(destination: StowDestination) -> None:
    """Ask whether anybody is there.

    Raises
    ------
    PeerUnreachable
        Nobody answers, or it is broken.
    """
    ask_archive(destination, "/studies?limit=1")


def ask_archive(destination: StowDestination, path: str) -> tuple[int, Any]:
    """Ask a question below the root of the service; yields the HTTP status, and the JSON of a 200.

    Raises
    ------
    PeerUnreachable
        Nobody answers, it is broken, or what it says cannot be read.
    """
    connection = _connection(destination)
    try:
        with _at_most(connection, destination.timeout_s):
            whole = urlsplit(destination.url).path.rstrip("/") + path
            headers = {"Accept": "application/dicom+json", **_authorization(destination)}
            connection.request("GET", whole, headers=headers)
            response = connection.getresponse()
            body = response.read(LARGEST_ANSWER_BYTES)
    except (OSError, HTTPException) as fault:
        raise PeerUnreachable(f"{destination.url} does not answer: {str(fault) or type(fault).__name__}") from fault
    finally:
        connection.close()
    if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR or response.status in TRY_LATER:
        raise PeerUnreachable(f"{destination.url} answered {_named(response.status)}")
    try:
        return response.status, json.loads(body) if response.status == HTTPStatus.OK else None
    except ValueError as fault:
        raise PeerUnreachable(f"{destination.url} answers with what cannot be read") from fault


def _parts(files: Sequence[bytes], boundary: str) -> Iterator[bytes]:
    for content in files:
        yield f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        yield content
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()


def _authorization(destination: StowDestination) -> dict[str, str]:
    if destination.token_file is None:
        return {}
    try:
        return {"Authorization": f"Bearer {destination.token_file.read_text('ascii').strip()}"}
    except (OSError, UnicodeDecodeError) as fault:
        raise SettingsFault("token_file", [f"{destination.token_file} cannot be used: {fault}"]) from fault


def _connection(destination: StowDestination) -> HTTPConnection:
    url = urlsplit(destination.url)
    if url.scheme == "http":
        return HTTPConnection(url.netloc, timeout=destination.timeout_s)
    return HTTPSConnection(url.netloc, timeout=destination.timeout_s, context=client_context(destination.tls))


@contextmanager
def _at_most(connection: HTTPConnection, seconds: float) -> Iterator[None]:
    """Hang up when the time is over, whatever the other one is doing: its timeout starts anew with every byte."""

    def hang_up() -> None:
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
