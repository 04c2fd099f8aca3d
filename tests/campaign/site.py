"""A listener in a process of its own, with a real spool and a real database, and scanners that remember every answer.

``python -m tests.campaign.site FOLDER`` receives until it is killed. Without a folder it forks such a process for each
one that it reads from its standard input: so much faster than a new interpreter that a hundred deaths fit in a test.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Engine

from gateway.intake import Reception
from gateway.jobs.clock import utc_now
from gateway.jobs.database import open_database, upgrade
from gateway.jobs.scans import ScanStore
from gateway.model.errors import SendError
from gateway.mrd.client import Expect, send_session
from gateway.mrd.framing import Limits
from gateway.mrd.listener import Listener, SessionLimits
from gateway.recovery import recover
from gateway.spool.recording import SyncPolicy
from gateway.spool.spool import Spool

HOST = "127.0.0.1"
PIECE_BYTES = 1 << 14
POLICY = SyncPolicy(every_bytes=1 << 17)
"""Several syncs in each scan."""


def database(folder: Path) -> Engine:
    """Open the database of a site."""
    return open_database(f"sqlite:///{folder}/gateway.db")


def spool(folder: Path) -> Spool:
    """Say where its recordings are."""
    return Spool(folder / "spool", POLICY)


def put_in_order(folder: Path) -> Engine:
    """What a start does before the port opens."""
    engine = database(folder)
    upgrade(engine)
    recover(spool(folder), ScanStore(engine, utc_now), clock=utc_now, limits=Limits())
    return engine


def receive(folder: Path, say: Callable[[int], None]) -> None:
    """Put in order what was left, then receive for ever; says which port."""
    with spool(folder).owned():
        scans = ScanStore(put_in_order(folder), utc_now)
        listener = Listener(
            HOST,
            0,
            limits=SessionLimits(),
            open_recorder=lambda peer: Reception(
                spool=spool(folder), scans=scans, clock=utc_now, peer=peer, started_at=utc_now()
            ),
        )
        listener.start()
        say(listener.port)
        threading.Event().wait()


@dataclass
class Scanner:
    """A scanner with some scans to send, one after the other."""

    streams: list[bytes]
    on_sent: Callable[[int], None]
    patience_s: float = 20
    acknowledged: list[bytes] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def send_all(self, port: int) -> None:
        """Send until the listener is gone, and remember what it has acknowledged."""
        for stream in self.streams:
            pieces = (stream[at : at + PIECE_BYTES] for at in range(0, len(stream), PIECE_BYTES))
            self.sent.append(stream)
            try:
                receipt = send_session(
                    pieces, HOST, port, on_sent=self.on_sent, expect=Expect(timeout_s=self.patience_s)
                )
            except SendError as fault:
                self.texts.append(str(fault))
                return
            self.acknowledged.append(stream)
            self.texts += receipt.texts


def main() -> None:
    """Receive, or fork receivers."""
    if len(sys.argv) > 1:
        receive(Path(sys.argv[1]), lambda port: print(port, flush=True))  # noqa: T201 - whoever started us reads it
    for folder in sys.stdin:
        child = os.fork()
        if not child:
            receive(Path(folder.strip()), lambda port: print(os.getpid(), port, flush=True))  # noqa: T201
        os.waitpid(child, 0)
        print("gone", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
