"""TLS 1.2 or later: who a destination is, its name included, and who calls us must be proven (PS3.15 B.12)."""

from __future__ import annotations

import ssl

from gateway.model.callers import ServerTls
from gateway.model.destinations import Tls
from gateway.model.errors import SettingsFault


def client_context(tls: Tls) -> ssl.SSLContext:
    """Read the certificates.

    Raises
    ------
    SettingsFault
        A file cannot be read, or is none.
    """
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
        if tls.certificate_file is not None:
            context.load_cert_chain(tls.certificate_file, tls.key_file, password=_no_password)
    except OSError as fault:  # an ssl.SSLError is one
        files = [str(file) for file in (tls.ca_file, tls.certificate_file, tls.key_file) if file is not None]
        raise SettingsFault("tls", [f"one of {', '.join(files)} cannot be used: {fault}"]) from fault
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def server_context(tls: ServerTls) -> ssl.SSLContext:
    """Read our own certificate, and whose callers have to have.

    Raises
    ------
    SettingsFault
        A file cannot be read, or is none.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(tls.certificate_file, tls.key_file, password=_no_password)
        context.load_verify_locations(tls.ca_file)
    except OSError as fault:
        files = [str(file) for file in (tls.certificate_file, tls.key_file, tls.ca_file) if file is not None]
        raise SettingsFault("tls", [f"one of {', '.join(files)} cannot be used: {fault}"]) from fault
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _no_password() -> str:
    """Keep OpenSSL from asking at a terminal that a service does not have."""
    return ""
