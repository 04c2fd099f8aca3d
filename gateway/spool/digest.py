"""What a recording is known by: a digest of every byte, with its algorithm before it as in ``blake3:9f86...``.

Every byte of every scan goes through it, while it arrives and again when a worker reads it; hence BLAKE3, a
cryptographic hash four times as fast as SHA-256 (ADR 0026). Recordings of before have ``sha256:``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from blake3 import blake3

BLAKE3, SHA256 = "blake3", "sha256"
READ_BYTES = 1 << 20


class Hash(Protocol):
    """What both algorithms offer."""

    def update(self, data: bytes | memoryview, /) -> object:
        """Take the next bytes."""

    def hexdigest(self) -> str:
        """Say the digest of all that was taken."""


ALGORITHMS: Mapping[str, Callable[[], Hash]] = {BLAKE3: blake3, SHA256: hashlib.sha256}


class Digest:
    """The digest of bytes that come one piece after the other."""

    def __init__(self, algorithm: str = BLAKE3) -> None:
        self._algorithm = algorithm
        self._hash = ALGORITHMS[algorithm]()

    def take(self, piece: bytes | memoryview) -> None:
        """Take the next piece."""
        self._hash.update(piece)

    def __str__(self) -> str:
        return f"{self._algorithm}:{self._hash.hexdigest()}"


def digest_of(path: Path, algorithm: str = BLAKE3) -> str:
    """Read a file to its end."""
    digest, buffer = Digest(algorithm), memoryview(bytearray(READ_BYTES))
    with path.open("rb", buffering=0) as file:
        while n := file.readinto(buffer):
            digest.take(buffer[:n])
    return str(digest)


def is_of(digest: str, path: Path) -> bool:
    """Whether a file is what a digest was taken of; a digest of no known kind is of nothing."""
    algorithm, _, _ = digest.partition(":")
    return algorithm in ALGORITHMS and digest_of(path, algorithm) == digest
