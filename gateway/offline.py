"""Reconstruct a file without a server: the same DICOM files, the same UIDs."""

from __future__ import annotations

from pathlib import Path

from gateway.identify import settle
from gateway.jobs.clock import utc_now
from gateway.model.errors import UnreadableFile
from gateway.model.route import Routes
from gateway.mrd.files import stream_of
from gateway.mrd.header import parse_header
from gateway.reconstruction import Work
from gateway.routing.choose import choose
from gateway.routing.facts import facts_of
from gateway.site_noise import site_noise
from gateway.spool.digest import Digest
from gateway.zoo.zoo import Zoo


def work_from_file(path: Path, *, routes: Routes, zoo: Zoo, recipe: str, noise_folder: Path | None = None) -> Work:
    """Read the scan in a file and choose its route; its UIDs derive from the bytes that `gateway send` would send.

    Raises
    ------
    UnreadableFile
        The file holds no scan.
    GatewayError
        Its header cannot be understood, no route fits, or the rule cannot settle who the patient is.
    """
    scan, stream = stream_of(path, recipe)
    if not scan.header_xml:
        raise UnreadableFile(path, "holds no header")
    digest = Digest()
    for piece in stream:
        digest.take(piece)
    header = parse_header(scan.header_xml)
    choice = choose(routes, facts_of(header, source="", recipe_asked=recipe))
    return Work(
        acquisition=scan.acquisition,
        header=header,
        choice=choice,
        identity=settle(header, choice).identity,
        digest=str(digest),
        received_at=utc_now(),
        noise=site_noise(noise_folder, header),
        zoo=zoo,
    )
