"""The least that STOW-RS can cost: the same files in the same requests by httpx, the answers not read."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from gateway.model.series import Instance

_HEADERS = {
    "Content-Type": 'multipart/related; type="application/dicom"; boundary=x',
    "Accept": "application/dicom+json",
}


def post(url: str, files: Sequence[tuple[Instance, Path]], at_once: int, n_connections: int) -> None:
    """Post files, so many in each request, over so many connections."""
    batches = [files[begin : begin + at_once] for begin in range(0, len(files), at_once)]
    with httpx.Client(timeout=60, headers=_HEADERS) as client, ThreadPoolExecutor(n_connections) as pool:
        for answer in pool.map(lambda batch: client.post(f"{url}/studies", content=_body(batch)), batches):
            answer.raise_for_status()


def _body(batch: Sequence[tuple[Instance, Path]]) -> bytes:
    parts = [b"--x\r\nContent-Type: application/dicom\r\n\r\n" + path.read_bytes() + b"\r\n" for _, path in batch]
    return b"".join([*parts, b"--x--\r\n"])
