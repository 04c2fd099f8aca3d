"""An archive that takes STOW-RS and keeps nothing: ``python -m benchmarks.simple_archive``."""

from __future__ import annotations

import json
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_INSTANCE = re.compile(rb"\x08\x00\x18\x00UI..([0-9.]+)")
"""SOP Instance UID, as it lies in a data set of ours."""


class Archive(BaseHTTPRequestHandler):
    """Answers every request with success for each instance that it carries."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Name what came (PS3.18 annex I)."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        uids = [found.decode() for found in _INSTANCE.findall(body)]
        stored = [{"00081155": {"vr": "UI", "Value": [uid]}} for uid in uids]
        answer = json.dumps({"00081199": {"vr": "SQ", "Value": stored}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main() -> None:
    """Listen until standard input ends; the port is printed."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Archive) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(server.server_port, flush=True)
        sys.stdin.read()
        server.shutdown()


if __name__ == "__main__":
    main()
