"""Joiner: a recording leaves as a file: as it came, or without its patient."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gateway.deidentify import Veil, veiled_header, veiled_readouts
from gateway.model.errors import BadScan, WrongCall
from gateway.model.projects import Project
from gateway.mrd.header import parse_header, write_header
from gateway.mrd.stream import RecordedSession, read_session, write_session
from gateway.whole import whole_file

PIECE_BYTES = 1 << 20


def export_recording(recording: Path, to: Path, *, digest: str, project: Project | None) -> int:
    """Write a recording to a new file, whole or not at all; return its length.

    Without its patient, it is a session of configuration, header, readouts and CLOSE: texts, waveforms and what the
    header says beyond the fields that we know stay behind.

    Raises
    ------
    WrongCall
        There is such a file already, or it cannot be written.
    BadScan
        The recording has no header by which to take the patient out.
    """
    pieces = _as_it_came(recording) if project is None else _veiled(recording, project, digest)
    if to.exists():
        raise WrongCall(f"{to} is there already")
    try:
        with whole_file(to) as file:
            return sum(file.write(piece) for piece in pieces)
    except OSError as fault:
        raise WrongCall(f"{to} cannot be written: {fault.strerror}") from fault


def _as_it_came(recording: Path) -> Iterator[bytes]:
    with recording.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def _veiled(recording: Path, project: Project, digest: str) -> Iterator[bytes]:
    session = read_session(recording, cut=True)
    if not session.header_xml:
        raise BadScan("the recording has no header by which to take the patient out")
    header = parse_header(session.header_xml)
    veil = Veil.over(project, header, issuer=None, scan=digest)
    yield from write_session(
        RecordedSession(
            header_xml=write_header(veiled_header(header, veil)),
            recipe_asked="",
            acquisition=veiled_readouts(session.acquisition, veil),
        )
    )
