"""Ask the provider: one bounded JSON answer, encrypted anywhere but on this machine, following nobody elsewhere."""

from __future__ import annotations

import ipaddress
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from gateway.model.errors import NotVouched

LONGEST_ANSWER = 1 << 20
HTTPS_PORT = 443


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetcher:
    """How the provider is reached."""

    ca_file: Path | None = None
    """Certificates of whom we trust; without it, those that the system trusts."""
    proxy: str | None = None
    """A proxy through which the way out of the hospital goes, as host:port."""
    timeout_s: float = 10.0

    def get(self, url: str, *, bearer: str = "") -> dict[str, Any]:
        """Get an object.

        Raises
        ------
        NotVouched
            It is not there.
        """
        return self._ask(_Question(url=url, headers={"Authorization": f"Bearer {bearer}"} if bearer else {}))

    def post(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> dict[str, Any]:
        """Send a form and get an object.

        Raises
        ------
        NotVouched
            It was not taken.
        """
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._ask(_Question(url=url, headers={**kind, **headers}, body=urlencode(form).encode()))

    def _ask(self, question: _Question) -> dict[str, Any]:
        where = urlsplit(question.url)
        path = (where.path or "/") + (f"?{where.query}" if where.query else "")
        method = "GET" if question.body is None else "POST"
        connection = self._connection(question.url)
        try:
            connection.request(method, path, question.body, {"Accept": "application/json", **question.headers})
            answer = connection.getresponse()
            content = answer.read(LONGEST_ANSWER + 1)
        except (OSError, HTTPException) as fault:
            raise NotVouched(
                f"the identity provider at {where.hostname} does not answer: {type(fault).__name__}"
            ) from fault
        finally:
            connection.close()
        return _object(content, answer.status, f"{where.hostname}{where.path}")

    def _connection(self, url: str) -> HTTPConnection:
        where = urlsplit(url)
        host = where.hostname or ""
        if where.scheme == "http" and is_here(host):
            return HTTPConnection(host, where.port, timeout=self.timeout_s)
        if where.scheme != "https":
            raise NotVouched(f"the identity provider names {host or 'an address'} that is not encrypted")
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except OSError as fault:
            raise NotVouched(f"oidc.ca_file cannot be used: {fault.strerror}") from fault
        if self.proxy is None:
            return HTTPSConnection(host, where.port, timeout=self.timeout_s, context=context)
        through = HTTPSConnection(self.proxy, timeout=self.timeout_s, context=context)
        through.set_tunnel(host, where.port or HTTPS_PORT)
        return through


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


def is_here(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _object(content: bytes, status: int, where: str) -> dict[str, Any]:
    """Read one JSON object; what the provider says besides is not repeated, because nobody knows what it says."""
    if status != HTTPStatus.OK:
        raise NotVouched(f"the identity provider answered {status} at {where}")
    if len(content) > LONGEST_ANSWER:
        raise NotVouched(f"the identity provider answered too much at {where}")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as fault:
        raise NotVouched(f"the identity provider did not answer in JSON at {where}") from fault
    if not isinstance(found, dict):
        raise NotVouched(f"the identity provider did not answer with an object at {where}")
    return found
