"""What goes wrong is one clear sentence and the right exit code: no traceback, nothing half-written."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.dicom.scp import StoreScp
from tests import peers
from tests.running import configured, gateway, running


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server((peers.LOOPBACK, 0)) as server:
        yield server.getsockname()[1]


FOREIGN = {
    "ge_scanarchive_not_mrd.h5": "not an ISMRMRD one",
    "gre_b0mapping_hashed_df63f.h5": "none of them has a sample",
    "spiralout_fatsat_pypulseq_3T_GE_UHP.h5": "images, without raw data",
    "20201210_gre_20slc_TR200_fatsat.h5": "",
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_that_is_no_scan(shared_data: Path, tmp_path: Path, name: str) -> None:
    done = gateway("reconstruct", shared_data / "mrd" / "foreign" / name, "--out", tmp_path / "out", cwd=tmp_path)
    assert done.returncode in (1, 2)
    assert FOREIGN[name] in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["send", "reconstruct"])
def test_a_truncated_file(small_scan: Path, tmp_path: Path, command: str) -> None:
    cut = tmp_path / "cut.mrd"
    cut.write_bytes(small_scan.read_bytes()[:-1000])
    options = ["--out", tmp_path / "out"] if command == "reconstruct" else ["--to", f"{peers.LOOPBACK}:1"]
    done = gateway(command, cut, *options, cwd=tmp_path)
    assert done.returncode == 2
    assert "the recording is damaged" in done.stderr
    assert "Traceback" not in done.stderr


def test_nobody_takes_the_scan(small_scan: Path, free_port: int) -> None:
    done = gateway("send", small_scan, "--to", f"{peers.LOOPBACK}:{free_port}")
    assert (done.returncode, "nobody takes scans" in done.stderr) == (1, True)


@pytest.mark.parametrize("to", ["nowhere", "host:", ":9002", "host:99999"])
def test_an_address_that_is_none(small_scan: Path, to: str) -> None:
    done = gateway("send", small_scan, "--to", to)
    assert (done.returncode, "is not HOST:PORT" in done.stderr) == (2, True)


@pytest.mark.parametrize("section", ["listener", "web"])
def test_a_port_that_is_taken(tmp_path: Path, taken: int, section: str) -> None:
    config = tmp_path / "gateway.toml"
    other = "web" if section == "listener" else "listener"
    config.write_text(f"[{section}]\nport = {taken}\n[{other}]\nport = {peers.free_port()}\n")
    done = gateway("run", "--config", config)
    assert done.returncode == 1
    assert f"{peers.LOOPBACK}:{taken}: Address already in use" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    config = tmp_path / "gateway.toml"
    config.write_text('[data]\nfolder = "file/below"\n')
    done = gateway("run", "--config", config)
    assert done.returncode == 1
    assert f"folder {tmp_path / 'file/below'} cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_all_faults_of_the_settings_at_once(tmp_path: Path) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text('[listener]\nprot = 9002\nidle_timeout_s = -1\n[queue]\nlease_s = "long"\n')
    done = gateway("run", "--config", config)
    assert done.returncode == 2
    for words in ("listener.prot", "did you mean 'port'", "listener.idle_timeout_s", "queue.lease_s"):
        assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == [config]


def test_settings_that_are_not_there(tmp_path: Path) -> None:
    done = gateway("jobs", "list", "--config", tmp_path / "none.toml")
    assert (done.returncode, "cannot be read" in done.stderr) == (2, True)


def test_a_job_that_is_not_there(tmp_path: Path) -> None:
    done = gateway("jobs", "show", "7", cwd=tmp_path)
    assert (done.returncode, "there is no job 7" in done.stderr) == (2, True)


def pacs_at(port: int, ae_title: str = "PACS") -> dict[str, object]:
    return {"kind": "pacs", "host": peers.LOOPBACK, "port": port, "ae_title": ae_title, "plain": True, "timeout_s": 5}


def test_no_pacs_listens_and_then_one_does(small_scan: Path, tmp_path: Path, free_port: int) -> None:
    patience = {"retry_first_s": 0.1, "retry_longest_s": 0.2}
    with running(configured(tmp_path, {"pacs": pacs_at(free_port)}, **patience)) as site:
        assert site.send(small_scan).returncode == 0
        site.wait_until(lambda: any(one.attempt > 1 for job in site.queries.jobs() for one in job.deliveries))
        with StoreScp("PACS", peers.LOOPBACK, free_port, tmp_path / "pacs"):
            site.wait_until(lambda: site.queries.job(1).arrived)
    timeline = "".join(line.text for line in site.queries.timeline(site.queries.job(1)))
    assert f"{free_port}" in timeline
    assert len(list((tmp_path / "pacs").rglob("*.dcm"))) == 2


def test_a_wrong_ae_title_fails_at_once_and_says_so(small_scan: Path, tmp_path: Path) -> None:
    with StoreScp("PACS", peers.LOOPBACK, 0, tmp_path / "pacs") as pacs:
        config = configured(tmp_path, {"pacs": pacs_at(pacs.port, "OTHER")})
        with running(config) as site:
            assert site.send(small_scan).returncode == 0
            (delivery,) = site.settled()["job"]["deliveries"]
            done = gateway("pacs", "echo", "pacs", "--config", config)
    assert (delivery["state"], "AE title" in delivery["reason"]) == ("FAILED", True)
    assert (done.returncode, "AE title" in done.stderr) == (1, True)
    assert not list((tmp_path / "pacs").rglob("*.dcm"))
