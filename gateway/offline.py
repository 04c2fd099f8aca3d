"""Reconstruct a file without a server: the same DICOM files, the same UIDs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from gateway.jobs.clock import utc_now
from gateway.model.errors import UnreadableFile
from gateway.model.route import Routes
from gateway.model.series import Series
from gateway.mrd.files import stream_of
from gateway.mrd.header import parse_header
from gateway.process import Progress, Work, make_series
from gateway.routing.choose import choose, facts_of


def reconstruct_file(
    path: Path,
    out: Path,
    *,
    routes: Routes,
    recipe: str,
    device: str,
    progress: Progress,
    note: Callable[[str, str], None],
) -> list[Series]:
    """Reconstruct the scan in a file into a folder.

    The UIDs derive from the bytes that `gateway send` would send.

    Raises
    ------
    UnreadableFile
        The file holds no scan, or its header cannot be understood.
    GatewayError
        The scan cannot be reconstructed, or the folder cannot be written.
    """
    scan, stream = stream_of(path, recipe)
    digest = hashlib.sha256()
    for piece in stream:
        digest.update(piece)
    if not scan.header_xml:
        raise UnreadableFile(path, "holds no header")
    header = parse_header(scan.header_xml)
    choice = choose(routes, facts_of(header, source="", recipe_asked=recipe))
    work = Work(acquisition=scan.acquisition, header=header, choice=choice, sha256=digest.hexdigest())
    return make_series(work, received_at=utc_now(), device=device, outbox=out, progress=progress, note=note)
