"""Nobody sees half of a file or folder, a failure changes nothing, and what has its name is on the disk."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.whole import READABLE, whole_file, whole_folder, write_synced, write_whole


class PowerCutError(Exception):
    pass


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_has_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with whole_file(path) as file:
        file.write(b"one, ")
        assert not path.exists()
        file.write(b"two")
    assert path.read_bytes() == b"one, two"
    assert names(tmp_path) == ["a"]


def test_a_file_that_fails_half_way_leaves_the_one_before(tmp_path: Path) -> None:
    write_whole(tmp_path / "a", b"before")
    with suppress(PowerCutError), whole_file(tmp_path / "a") as file:
        file.write(b"af")
        raise PowerCutError
    assert (tmp_path / "a").read_bytes() == b"before"
    assert names(tmp_path) == ["a"]


def test_a_folder_that_fails_half_way_leaves_the_one_before(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "f") as part:
        write_synced(part / "1", b"before")
    with suppress(PowerCutError), whole_folder(tmp_path / "f") as part:
        write_synced(part / "2", b"after")
        raise PowerCutError
    assert names(tmp_path) == ["f"]
    assert names(tmp_path / "f") == ["1"]


def test_a_folder_replaces_what_had_its_name_and_what_a_dead_attempt_has_left(tmp_path: Path) -> None:
    (tmp_path / ".f.part").mkdir()
    (tmp_path / ".f.part" / "rubbish").touch()
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "old").touch()
    with whole_folder(tmp_path / "f") as part:
        write_synced(part / "new", b"x")
    assert names(tmp_path) == ["f"]
    assert names(tmp_path / "f") == ["new"]


@pytest.mark.parametrize(("content", "stays"), [(b"x", True), (b"y", False)])
def test_a_folder_with_the_same_files_stays_where_it_is(tmp_path: Path, content: bytes, stays: bool) -> None:
    inodes = []
    for each in (b"x", content):
        with whole_folder(tmp_path / "f") as part:
            write_synced(part / "1", each)
        inodes.append((tmp_path / "f").stat().st_ino)
    assert (inodes[0] == inodes[1]) is stays
    assert (tmp_path / "f" / "1").read_bytes() == content


def test_files_are_ours_alone_unless_somebody_else_is_to_read_them(tmp_path: Path) -> None:
    umask = os.umask(0o022)
    try:
        write_whole(tmp_path / "ours", b"")
        write_whole(tmp_path / "theirs", b"", READABLE)
        with whole_folder(tmp_path / "folder") as part:
            write_synced(part / "ours", b"")
    finally:
        os.umask(umask)
    paths = [tmp_path / "ours", tmp_path / "theirs", tmp_path / "folder", tmp_path / "folder" / "ours"]
    assert [path.stat().st_mode & 0o777 for path in paths] == [0o600, 0o644, 0o700, 0o600]


def test_a_link_that_somebody_has_laid_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"kept")
    (tmp_path / ".a.part").symlink_to(secret)
    with pytest.raises(OSError, match="symbolic link"):
        write_whole(tmp_path / "a", b"x")
    assert secret.read_bytes() == b"kept"
