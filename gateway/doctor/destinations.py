"""Destinations and sources: is anybody there, does it let us in, is what we send readable on the way."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from http import HTTPStatus
from tempfile import NamedTemporaryFile
from urllib.parse import urlsplit

from gateway.dicom.dicomweb import ask_archive
from gateway.dicom.store import echo
from gateway.dicom.tls import client_context
from gateway.doctor.certificates import certificates, of_peer, own
from gateway.doctor.finding import Finding, Health, attempt, bad, doubtful, good
from gateway.doctor.proof import proof, protection
from gateway.model.destinations import (
    Destination,
    FolderDestination,
    PacsDestination,
    StowDestination,
    Tls,
    WebPeer,
)
from gateway.model.errors import GatewayError
from gateway.model.sources import Source

HTTPS_PORT = 443


def destination(name: str, where: Destination, *, now: datetime) -> Iterator[Finding]:
    """Look at a destination as a deliverer would use it."""
    what = f"destination {name}"
    match where:
        case FolderDestination():
            yield _folder(what, where)
        case PacsDestination():
            remedy = f"check address and AE titles, and that the PACS knows {where.calling_ae_title}"
            answers = attempt(what, lambda: echo(where), said="answers", remedy=remedy)
            yield answers
            yield protection(f"{what}: way", plain=where.plain)
            if answers.health is Health.GOOD:
                yield proof(f"{what}: proof", where)
            if where.tls is not None:
                yield from _tls(what, where.tls, (where.host, where.port), where.timeout_s, now=now)
        case StowDestination():
            yield from _web(what, where, now=now)


def source(name: str, whom: Source, *, now: datetime) -> Iterator[Finding]:
    """Look at somebody who is asked whose scan it is."""
    what = f"source {name}"
    if isinstance(whom, WebPeer):
        yield from _web(what, whom, now=now)
        return
    remedy = f"check address and AE titles, and that it knows {whom.calling_ae_title}"
    yield attempt(what, lambda: echo(whom), said="answers", remedy=remedy)
    yield protection(f"{what}: way", plain=whom.plain)
    if whom.tls is not None:
        yield from _tls(what, whom.tls, (whom.host, whom.port), whom.timeout_s, now=now)


def _web(what: str, where: WebPeer, *, now: datetime) -> Iterator[Finding]:
    yield _archive(what, where)
    yield protection(f"{what}: way", plain=where.plain)
    url = urlsplit(where.url)
    if url.scheme == "https":
        peer = (url.hostname or "", url.port or HTTPS_PORT)
        yield from _tls(what, where.tls, peer, where.timeout_s, now=now)


def _folder(what: str, where: FolderDestination) -> Finding:
    there = next((folder for folder in (where.path, *where.path.parents) if folder.exists()), where.path)
    try:
        if where.path.is_dir():
            with NamedTemporaryFile(dir=where.path):
                pass
        writable = os.access(there, os.W_OK | os.X_OK)
    except OSError:
        writable = False
    if writable:
        return good(what, f"{where.path} can be written")
    return bad(what, f"{where.path} cannot be written", f"let the gateway's user write to {there}")


def _archive(what: str, where: WebPeer) -> Finding:
    """Ask by QIDO-RS (PS3.18 10.6) what it would say to us."""
    try:
        status, _ = ask_archive(where, "/studies?limit=1")
    except GatewayError as fault:
        return bad(what, str(fault), "check url and network, and that the archive runs")
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return bad(what, f"{where.url} answers {status}: it does not let us in", "check token_file")
    if status >= HTTPStatus.BAD_REQUEST:
        return doubtful(what, f"{where.url} answers {status} to a query", "check that url is the root of its DICOMweb")
    return good(what, "answers")


def _tls(what: str, tls: Tls, peer: tuple[str, int], timeout_s: float, *, now: datetime) -> Iterator[Finding]:
    if tls.ca_file is not None:
        yield from certificates(f"{what}: ca_file", tls.ca_file, now=now)
    if tls.certificate_file is not None:
        yield from own(f"{what}: certificate_file", tls.certificate_file, tls.key_file, now=now)
    try:
        context = client_context(tls)
    except GatewayError:
        return
    yield of_peer(f"{what}: its certificate", peer, context, timeout_s=timeout_s)
