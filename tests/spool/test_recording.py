from __future__ import annotations

import stat
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from blake3 import blake3

from gateway.model.errors import DamagedFile, GatewayError, StorageFault, UnreadableFile
from gateway.model.ids import RecordingId
from gateway.model.scan import ScanState, Seal, Verdict
from gateway.spool.recording import finish_recording
from gateway.spool.seal import read_seal, write_seal
from gateway.spool.spool import Spool, recording_id, seal_path

ID = RecordingId("0123456789abcdef0123456789abcdef")
DAY = date(2026, 3, 1)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CONTENT = bytes(range(256)) * 100


def seal_of(digest: str, recording: RecordingId = ID) -> Seal:
    verdict = Verdict(
        state=ScanState.COMPLETE, reason="", recipe_asked="fft", n_bytes=25_600, n_acquisitions=3, n_waveforms=1
    )
    return Seal(recording=recording, peer="192.0.2.1", started_at=NOON, ended_at=NOON, digest=digest, verdict=verdict)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


def test_a_sealed_recording_is_the_stream_byte_for_byte(spool: Spool) -> None:
    with spool.create(ID, DAY) as writer:
        for piece in (CONTENT[:100], CONTENT[100:]):
            writer.write(memoryview(piece))
        seal = seal_of(writer.digest())
        path = writer.seal(seal)
    assert spool.open(spool.key_of(path)).read_bytes() == CONTENT
    assert seal.digest == f"blake3:{blake3(CONTENT).hexdigest()}"
    assert read_seal(seal_path(path)) == seal
    assert sorted(one.name for one in path.parent.iterdir()) == [f"{ID}.mrd", f"{ID}.seal.json"]


def test_only_the_owner_may_read_what_is_written(spool: Spool) -> None:
    with spool.create(ID, DAY) as writer:
        path = writer.seal(seal_of(writer.digest()))
    for file in (path, seal_path(path)):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_what_is_not_sealed_has_no_final_name(spool: Spool) -> None:
    with spool.create(ID, DAY) as writer:
        writer.write(memoryview(CONTENT))
    (part,) = spool.unfinished()
    assert recording_id(part) == ID
    assert part.read_bytes() == CONTENT
    assert not list(spool.seals())


def test_a_death_between_seal_and_name_is_finished_at_the_next_start(spool: Spool) -> None:
    with spool.create(ID, DAY) as writer:
        path = writer.seal(seal_of(writer.digest()))
    part = path.rename(path.with_name(f"{ID}.mrd.part"))
    assert list(spool.unfinished()) == [part]
    assert finish_recording(part, read_seal(seal_path(part))) == path
    assert not list(spool.unfinished())


def test_a_recording_that_nobody_will_miss_leaves_nothing(spool: Spool) -> None:
    with spool.create(ID, DAY) as writer:
        writer.write(memoryview(b"probe"))
        writer.discard()
    assert not list(spool.unfinished())


def test_a_name_is_used_once(spool: Spool) -> None:
    with spool.create(ID, DAY), pytest.raises(StorageFault, match="cannot be opened"):
        spool.create(ID, DAY)


def test_a_link_in_the_place_of_a_recording_is_not_followed(spool: Spool, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("")
    folder = spool.folder / DAY.isoformat()
    folder.mkdir(parents=True)
    (folder / f"{ID}.mrd.part").symlink_to(secret)
    with pytest.raises(StorageFault):
        spool.create(ID, DAY)
    (folder / f"{ID}.mrd").symlink_to(secret)
    with pytest.raises(DamagedFile, match="not a regular file"):
        spool.open(f"{DAY.isoformat()}/{ID}.mrd")


def test_a_disk_that_is_full_is_told_and_nothing_is_sealed(spool: Spool) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full on this system")
    with spool.create(ID, DAY) as writer:
        with full.open("wb") as device:
            import os  # noqa: PLC0415

            os.dup2(device.fileno(), writer._file)  # noqa: SLF001 - the disk fills up under the open file
        with pytest.raises(StorageFault, match="No space left"):
            writer.write(memoryview(CONTENT))
    assert not list(spool.seals())


@pytest.mark.parametrize("text", ["", "{", "{}", '{"recording": 1}'])
def test_a_damaged_seal_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.seal.json"
    path.write_text(text)
    with pytest.raises(UnreadableFile, match="is not a seal"):
        read_seal(path)


def test_a_seal_of_before_says_sha256(tmp_path: Path) -> None:
    write_seal(path := tmp_path / "x.seal.json", seal_of("sha256:ab"))
    path.write_text(path.read_text().replace('"digest": "sha256:ab"', '"sha256": "ab"'))
    assert read_seal(path) == seal_of("sha256:ab")


def test_a_spool_has_one_writer(spool: Spool) -> None:
    with spool.owned(), pytest.raises(GatewayError, match="another listener"), spool.owned():
        pass
    with spool.owned():
        pass
