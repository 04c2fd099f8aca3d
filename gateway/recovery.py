"""Put in order what a dead listener has left, before the port opens; safe to repeat, and to kill."""

from __future__ import annotations

import hashlib
import logging
from datetime import UTC, datetime
from pathlib import Path

from gateway.jobs.clock import Clock
from gateway.jobs.scans import ScanStore
from gateway.model.errors import BadStream
from gateway.model.scan import Seal
from gateway.mrd.framing import Limits
from gateway.mrd.session import Session
from gateway.spool.recording import finish_recording
from gateway.spool.seal import read_seal
from gateway.spool.spool import Spool, recording_id, seal_path

logger = logging.getLogger(__name__)

READ_BYTES = 1 << 20


def recover(spool: Spool, scans: ScanStore, *, clock: Clock, limits: Limits) -> int:
    """Seal unfinished recordings, commit every sealed one, and return how many were unfinished."""
    parts = list(spool.unfinished())
    for part in parts:
        seal = read_seal(seal_path(part)) if seal_path(part).exists() else _seal_of(part, clock=clock, limits=limits)
        finish_recording(part, seal)
        logger.warning("unfinished recording sealed", extra={"scan": seal.recording, "state": seal.verdict.state})
    for path in spool.seals():
        scans.finish(read_seal(path), spool.key_of(spool.beside(path)))
    for recording in scans.receiving():
        scans.lost(recording)
    return len(parts)


def _seal_of(part: Path, *, clock: Clock, limits: Limits) -> Seal:
    """Judge a session again by what is on the disk of it."""
    session, sha256 = _replay(part, limits)
    return Seal(
        recording=recording_id(part),
        peer="",
        started_at=datetime.fromtimestamp(part.stat().st_mtime, tz=UTC),
        ended_at=clock(),
        sha256=sha256,
        verdict=session.verdict("" if session.closed else "the listener died before the scan was whole"),
    )


def _replay(part: Path, limits: Limits) -> tuple[Session, str]:
    session, digest, broken = Session(limits), hashlib.sha256(), False
    with part.open("rb") as file:
        while chunk := file.read(READ_BYTES):
            digest.update(chunk)
            if broken:
                continue
            try:
                session.feed(chunk)
            except BadStream:
                broken = True
    return session, digest.hexdigest()
