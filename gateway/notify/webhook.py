"""A webhook: one signed POST (https://www.standardwebhooks.com), to one address, following nobody elsewhere."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

from gateway.model.errors import NotTold
from gateway.notify.message import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Where to, and how it is signed."""

    url: str
    secret: str
    ca_file: Path | None
    timeout_s: float
    clock: Callable[[], datetime]

    def __call__(self, message: Message) -> None:
        """Tell.

        Raises
        ------
        NotTold
            Nobody took it.
        """
        url = urlsplit(self.url)
        body = _body(message)
        moment = str(int(self.clock().timestamp()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "mri-gateway",
            "webhook-id": message.id,
            "webhook-timestamp": moment,
            "webhook-signature": f"v1,{signature(self.secret, message.id, moment, body)}",
        }
        connection = self._connection(url.scheme, url.netloc)
        try:
            connection.request("POST", (url.path or "/") + (f"?{url.query}" if url.query else ""), body, headers)
            status = connection.getresponse().status
        except (OSError, HTTPException) as fault:
            raise NotTold(f"{url.hostname} does not answer: {type(fault).__name__}") from fault
        finally:
            connection.close()
        if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            raise NotTold(f"{url.hostname} answered {status}")

    def _connection(self, scheme: str, where: str) -> HTTPConnection:
        if scheme == "http":
            return HTTPConnection(where, timeout=self.timeout_s)
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except OSError as fault:
            raise NotTold(f"webhook.ca_file cannot be used: {fault.strerror}") from fault
        return HTTPSConnection(where, timeout=self.timeout_s, context=context)


def signature(secret: str, identity: str, moment: str, body: bytes) -> str:
    """Sign id, time and body, so that nobody can make them up, change them, or send them again much later."""
    signed = f"{identity}.{moment}.".encode() + body
    return base64.b64encode(hmac.digest(_key(secret), signed, hashlib.sha256)).decode()


def _key(secret: str) -> bytes:
    """Take the key as the standard writes it (whsec_ and base64), else the text itself."""
    return base64.b64decode(secret.removeprefix("whsec_")) if secret.startswith("whsec_") else secret.encode()


def _body(message: Message) -> bytes:
    told = [
        {
            "kind": one.kind,
            "job": one.job or None,
            "chart": one.chart,
            "destination": one.destination or None,
            "at": one.at.isoformat(),
            "page": message.link(one),
        }
        for one in message.notices
    ]
    return json.dumps({"type": "gateway.notices", "data": {"notices": told}}).encode()
