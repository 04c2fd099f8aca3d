"""The digest of a recording against the published vectors, and against files that are something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.spool.digest import Digest, digest_of, is_of

BLAKE3_OF_NOTHING = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
"""Of nothing: the first of the test vectors of BLAKE3's authors."""
SHA256_OF_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
"""FIPS 180-4, example of one block."""


def test_the_algorithms_are_those_of_their_standards(tmp_path: Path) -> None:
    assert str(Digest()) == f"blake3:{BLAKE3_OF_NOTHING}"
    (path := tmp_path / "abc").write_bytes(b"abc")
    assert digest_of(path, "sha256") == f"sha256:{SHA256_OF_ABC}"


def test_it_is_the_same_however_the_bytes_are_cut(tmp_path: Path) -> None:
    content = bytes(range(256)) * 9_000
    (path := tmp_path / "file").write_bytes(content)
    digest = Digest()
    for start in range(0, len(content), 100_001):
        digest.take(memoryview(content)[start : start + 100_001])
    assert str(digest) == digest_of(path)


@pytest.mark.parametrize("algorithm", ["blake3", "sha256"])
def test_a_file_is_known_again_and_a_changed_one_is_not(tmp_path: Path, algorithm: str) -> None:
    (path := tmp_path / "file").write_bytes(b"as it came")
    digest = digest_of(path, algorithm)
    assert is_of(digest, path)
    path.write_bytes(b"as it cane")
    assert not is_of(digest, path)


@pytest.mark.parametrize("digest", ["", "blake3:", "md5:0", SHA256_OF_ABC])
def test_what_is_no_digest_is_of_no_file(tmp_path: Path, digest: str) -> None:
    (path := tmp_path / "file").write_bytes(b"abc")
    assert not is_of(digest, path)
