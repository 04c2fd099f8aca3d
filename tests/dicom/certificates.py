"""Certificates for the tests of TLS, made by OpenSSL: an authority, what it has signed, and a stranger."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

OPENSSL = "/usr/bin/openssl"


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate and its key."""

    certificate: Path
    key: Path


def authority(folder: Path, name: str) -> Identity:
    """An authority of its own."""
    made = Identity(folder / f"{name}.crt", folder / f"{name}.key")
    _openssl("req", "-x509", *_new(made.key, name), "-out", made.certificate)
    return made


def signed(by: Identity, folder: Path, name: str, alternative: str) -> Identity:
    """An identity that the authority vouches for, under the names given."""
    made = Identity(folder / f"{name}.crt", folder / f"{name}.key")
    names = ("-addext", f"subjectAltName={alternative}", "-addext", "basicConstraints=CA:FALSE")
    issuer = ("-CA", by.certificate, "-CAkey", by.key)
    _openssl("req", "-x509", *_new(made.key, name), *names, *issuer, "-out", made.certificate)
    return made


def _new(key: Path, name: str) -> tuple[str | Path, ...]:
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key)
    return (*curve, "-subj", f"/CN={name}", "-days", "2")


def _openssl(*arguments: str | Path) -> None:
    subprocess.run([OPENSSL, *arguments], check=True, capture_output=True)


def server_context(identity: Identity, trusted: Identity) -> ssl.SSLContext:
    """How a PACS is set up that wants to know who calls."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.key)
    context.load_verify_locations(trusted.certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    return context
