"""A process that may open nothing more, for a while. Says how often the listener told of it, and what came after."""

from __future__ import annotations

import logging
import os
import resource
import socket
import sys
import threading

from tests.mrd.test_listener import HOST, SCAN, answer_of, listening


class Told(logging.Handler):
    """Counts what is told of connections that cannot be accepted."""

    def __init__(self) -> None:
        super().__init__()
        self.times = 0
        self.heard = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        """Count one."""
        self.times += "can be accepted" in record.getMessage()
        self.heard.set()


def main() -> None:
    """Let a scanner come while there is no descriptor for it, and free some when it has been told."""
    told = Told()
    logging.getLogger("gateway").addHandler(told)
    with listening() as sessions, socket.socket() as scanner:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        free = os.dup(scanner.fileno())
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
        scanner.connect((HOST, sessions.listener.port))
        scanner.sendall(SCAN)
        told.heard.wait()
        told.heard.clear()
        told.heard.wait(1.2)  # two more tries fail in this time, and nothing more is told
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        (text,), closed = answer_of(scanner)
    sys.stdout.write(f"told {told.times} times, then {text.strip() if closed else 'no CLOSE'}")


if __name__ == "__main__":
    main()
