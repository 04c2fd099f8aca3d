"""Those who are told: a site that takes webhooks, and a postbox for mails."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from tests.peers import LOOPBACK


class Site(HTTPServer):
    """Takes webhooks."""

    status = 204

    def __init__(self) -> None:
        super().__init__((LOOPBACK, 0), Answer)
        self.got: list[tuple[dict[str, str], bytes]] = []


class Answer(BaseHTTPRequestHandler):
    server: Site

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append((dict(self.headers.items()), body))
        self.send_response(self.server.status)
        self.send_header("location", "http://169.254.169.254/")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def taking() -> Iterator[Site]:
    """Take webhooks until the block ends."""
    with Site() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class Postbox:
    """A mail server's handler that keeps what it gets."""

    def __init__(self) -> None:
        self.got: list[Message] = []

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:  # noqa: ANN401, N802
        self.got.append(message_from_bytes(envelope.content))
        return "250 OK"
