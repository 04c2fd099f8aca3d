"""Put in order what a dead listener has left, before the port opens; safe to repeat, and to kill."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from gateway.jobs.clock import Clock
from gateway.jobs.scans import ScanStore
from gateway.model.errors import BadStream, StorageFault, UnreadableFile
from gateway.model.scan import Seal
from gateway.mrd.framing import Limits
from gateway.mrd.session import Session
from gateway.spool.digest import Digest
from gateway.spool.recording import finish_recording
from gateway.spool.seal import read_seal
from gateway.spool.spool import Spool, recording_id, seal_path
from gateway.whole import sync_file

logger = logging.getLogger(__name__)

READ_BYTES = 1 << 20


def recover(spool: Spool, scans: ScanStore, *, clock: Clock, limits: Limits) -> int:
    """Seal unfinished recordings, commit every sealed one, and return how many were unfinished."""
    parts = list(spool.unfinished())
    for part in parts:
        _finish(part, clock=clock, limits=limits)
    for path in spool.seals():
        _commit(path, spool, scans)
    for arrived in scans.arriving_now():
        scans.lost(arrived.recording, "the listener died before anything was on disk")
    return len(parts)


def _finish(part: Path, *, clock: Clock, limits: Limits) -> None:
    """Seal one; what cannot be sealed now stays as it is, and does not keep the others waiting."""
    try:
        try:
            seal = read_seal(seal_path(part))
        except UnreadableFile:
            sync_file(part)
            seal = _seal_of(part, clock=clock, limits=limits)
        finish_recording(part, seal)
    except (StorageFault, OSError) as fault:
        logger.error("unfinished recording left as it is", extra={"path": str(part), "reason": str(fault)})  # noqa: TRY400
    else:
        logger.warning("unfinished recording sealed", extra={"scan": seal.recording, "state": seal.verdict.state})


def _commit(path: Path, spool: Spool, scans: ScanStore) -> None:
    """Make sure that a sealed recording has its row; one that could not get its name has none yet."""
    recording = spool.beside(path)
    if not recording.is_file() or scans.settled(recording_id(recording)):
        return
    try:
        seal = read_seal(path)
    except UnreadableFile as fault:
        logger.error("seal left as it is", extra={"reason": str(fault)})  # noqa: TRY400 - expected
    else:
        scans.finish(seal, spool.key_of(recording))


def _seal_of(part: Path, *, clock: Clock, limits: Limits) -> Seal:
    """Judge a session again by what is on the disk of it."""
    session, digest = _replay(part, limits)
    verdict = session.verdict("" if session.closed else "the listener died before the scan was whole")
    return Seal(
        recording=recording_id(part),
        peer="",
        started_at=datetime.fromtimestamp(part.stat().st_mtime, tz=UTC),
        ended_at=clock(),
        digest=str(digest),
        verdict=replace(verdict, n_bytes=part.stat().st_size),
    )


def _replay(part: Path, limits: Limits) -> tuple[Session, Digest]:
    session, digest, broken = Session(limits), Digest(), False
    with part.open("rb") as file:
        while chunk := file.read(READ_BYTES):
            digest.take(chunk)
            if broken:
                continue
            try:
                session.feed(chunk)
            except BadStream:
                broken = True
    return session, digest
