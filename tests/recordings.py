"""The phantom as a recording on disk: the bytes that a scanner would have sent."""

from __future__ import annotations

from pathlib import Path

from gateway.mrd.header import write_header
from gateway.mrd.stream import RecordedSession, write_session
from gateway.recon.phantom import PhantomScan, head_phantom


def put_phantom(path: Path, scan: PhantomScan) -> Path:
    """Write a recording of the phantom."""
    acquisition, header = head_phantom(scan)
    session = RecordedSession(header_xml=write_header(header), recipe_asked="", acquisition=acquisition)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(write_session(session)))
    return path
