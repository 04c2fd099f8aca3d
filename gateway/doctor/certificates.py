"""Certificates: of ours, of those whom we trust, and of those who answer; when they end, and what to do before."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from gateway.doctor.finding import Finding, bad, doubtful, good

SOON_DAYS = 30
"""A certificate that ends within so long is to be renewed now."""


def certificates(what: str, file: Path, *, now: datetime) -> Iterator[Finding]:
    """Look at the certificates in a file."""
    try:
        found = x509.load_pem_x509_certificates(file.read_bytes())
    except OSError as fault:
        yield bad(what, f"{file}: {fault.strerror}", "put it there, readable by the gateway's user")
        return
    except ValueError:
        yield bad(what, f"{file} holds no certificate (PEM)", "write it as PEM: BEGIN CERTIFICATE")
        return
    for certificate in found:
        yield lifetime(what, certificate, now=now)


def own(what: str, certificate: Path, key: Path | None, *, now: datetime) -> Iterator[Finding]:
    """Look at a certificate of ours: does the key fit, when does it end."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key, password=lambda: "")
    except OSError as fault:
        why = "is no certificate with its key" if isinstance(fault, ssl.SSLError) else fault.strerror
        yield bad(what, f"{certificate}: {why}", "give certificate and key, as PEM and without a password")
        return
    yield from certificates(what, certificate, now=now)


def lifetime(what: str, certificate: x509.Certificate, *, now: datetime) -> Finding:
    """Say how long a certificate is good for."""
    whose = certificate.subject.rfc4514_string() or "a certificate without a subject"
    end, begin = certificate.not_valid_after_utc, certificate.not_valid_before_utc
    if now < begin:
        return bad(what, f"{whose} is good from {begin:%Y-%m-%d %H:%M} UTC on", "check the clock, or wait")
    if now > end:
        return bad(what, f"{whose} has ended on {end:%Y-%m-%d}", "renew it")
    days = (end - now).days
    said = f"{whose} is good until {end:%Y-%m-%d}, {days} days"
    return good(what, said) if days >= SOON_DAYS else doubtful(what, said, "renew it now")


def of_peer(what: str, where: tuple[str, int], context: ssl.SSLContext, *, timeout_s: float) -> Finding:
    """Shake hands with somebody, as we do when we send, and look at the certificate."""
    try:
        with (
            socket.create_connection(where, timeout_s) as connection,
            context.wrap_socket(connection, server_hostname=where[0]) as tls,
        ):
            shown = tls.getpeercert(binary_form=True)
    except ssl.SSLCertVerificationError as fault:
        return bad(what, f"its certificate is not trusted: {fault.verify_message}", "give its authority as ca_file")
    except OSError as fault:
        return bad(what, f"no TLS: {fault.strerror or type(fault).__name__}", "check address, port and TLS of the peer")
    if shown is None:
        return bad(what, "shows no certificate", "give it one")
    return lifetime(what, x509.load_der_x509_certificate(shown), now=datetime.now(UTC))
