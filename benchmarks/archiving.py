"""Sending 200 instances of 320 x 320 to archives: Orthanc by C-STORE and STOW-RS, a distant PACS, a simple archive."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from benchmarks.bare_post import post
from benchmarks.building import header_and_plan, volume
from benchmarks.leash import leashed
from benchmarks.registry import Peers, benchmark
from gateway.dicom.association import VERIFICATION
from gateway.dicom.command import Field
from gateway.dicom.dicomweb import look
from gateway.dicom.series import build_series, write_series
from gateway.dicom.service import DicomService
from gateway.dicom.session import Gate, answer_echo
from gateway.dicom.store import echo, store
from gateway.dicom.stow import store_by_web
from gateway.model.destinations import PacsDestination, StowDestination
from gateway.model.errors import PeerUnreachable
from gateway.model.series import Instance

LOOPBACK = "127.0.0.1"
ORTHANC = Path("/usr/sbin/Orthanc")
DICOM_WEB = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
STORESCU, ECHOSCU = Path("/usr/bin/storescu"), Path("/usr/bin/echoscu")
N_INSTANCES, N_CALLS = 200, 100
DELAY_S = 0.005

Files = list[tuple[Instance, Path]]


@benchmark
def orthanc() -> Iterator[Peers]:
    """Send 200 instances to Orthanc, which keeps them: C-STORE and STOW-RS, beside storescu and bare POSTs."""
    if not (ORTHANC.exists() and DICOM_WEB.exists() and STORESCU.exists()):
        return
    with _series() as (folder, files), _orthanc() as (dicom, web):
        url = f"http://{LOOPBACK}:{web}/dicom-web"
        pacs = [str(STORESCU), "-aec", "ARCHIVE", "+sd", LOOPBACK, str(dicom), str(folder)]
        sends: dict[str, Callable[[], object]] = {
            "gateway": lambda: _store(files, dicom, 1, "ARCHIVE"),
            "gateway, 4 associations": lambda: _store(files, dicom, 4, "ARCHIVE"),
            "storescu": lambda: subprocess.run(pacs, check=True),  # noqa: S603 - our own
            "gateway, STOW-RS by 25, 1": lambda: _stow(files, url, 25),
            "gateway, STOW-RS by 25, 2": lambda: _stow(files, url, 25, 2),
            "gateway, STOW-RS by 25, 4": lambda: _stow(files, url, 25, 4),
            "bare POST by 25, 1": lambda: post(url, files, 25, 1),
            "bare POST by 25, 2": lambda: post(url, files, 25, 2),
            "bare POST by 25, 4": lambda: post(url, files, 25, 4),
        }
        yield {name: _into_empty(web, send) for name, send in sends.items()}


def _into_empty(web: int, send: Callable[[], object]) -> Callable[[], float]:
    """Time a sending to an Orthanc that has nothing of it: to replace what is there is other work."""

    def timed() -> float:
        root = f"http://{LOOPBACK}:{web}"
        for study in httpx.get(f"{root}/studies").json():
            httpx.delete(f"{root}/studies/{study}").raise_for_status()
        begin = time.perf_counter()
        send()
        return time.perf_counter() - begin

    return timed


@benchmark
def distant() -> Iterator[Peers]:
    """Send 200 instances to a PACS whose every answer takes 5 ms: what associations beside each other are for."""
    with _series() as (_, files), _process("benchmarks.distant_pacs", str(DELAY_S)) as port:
        yield {
            "gateway, 4 associations": lambda: _store(files, port, 4),
            "gateway": lambda: _store(files, port, 1),
        }


@benchmark
def stow() -> Iterator[Peers]:
    """Send 200 instances by STOW-RS to an archive that keeps nothing, in batches and one by one."""
    with _series() as (_, files), _process("benchmarks.simple_archive") as port:
        url = f"http://{LOOPBACK}:{port}/dicom-web"
        yield {
            "gateway, by 25": lambda: _stow(files, url, 25),
            "gateway, by 100": lambda: _stow(files, url, 100),
            "gateway, one by one": lambda: _stow(files, url, 1),
            "gateway, by 25, 2 connections": lambda: _stow(files, url, 25, 2),
            "bare POST by 25": lambda: post(url, files, 25, 1),
        }


@benchmark
def called() -> Iterator[Peers]:
    """Be called 100 times, each over an association of its own, by ourselves and by DCMTK's echoscu."""
    handlers = {(VERIFICATION, int(Field.C_ECHO)): answer_echo}
    with DicomService((LOOPBACK, 0), Gate(ae_title="PACS", callers=None), handlers) as service:
        address = PacsDestination(host=LOOPBACK, port=service.port, ae_title="PACS", plain=True)
        peers: dict[str, Callable[[], object]] = {"gateway": lambda: _call(address)}
        if ECHOSCU.exists():
            call = [str(ECHOSCU), "--repeat", str(N_CALLS), "-aec", "PACS", LOOPBACK, str(service.port)]
            peers["echoscu, one association"] = lambda: subprocess.run(call, check=True)  # noqa: S603 - our own
        yield peers


@contextmanager
def _series() -> Iterator[tuple[Path, Files]]:
    with tempfile.TemporaryDirectory() as folder:
        series = write_series(build_series(volume(N_INSTANCES), *header_and_plan()), Path(folder), lambda *_: None)
        files = [(instance, Path(folder, instance.path)) for instance in series.instances]
        yield Path(folder, series.series_instance_uid), files


@contextmanager
def _process(module: str, *arguments: str) -> Iterator[int]:
    """Run a peer beside us, so that it does not share our interpreter; yields its port."""
    command = leashed([sys.executable, "-m", module, *arguments])
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:  # noqa: S603 - our own
        assert process.stdout is not None  # noqa: S101 - it was made with a pipe
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


@contextmanager
def _orthanc() -> Iterator[tuple[int, int]]:
    """Run an Orthanc as it comes, with DICOMweb; yields its ports."""
    dicom, web = _free_ports()
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "StorageDirectory": f"{folder}/db",
            "IndexDirectory": f"{folder}/db",
            "HttpPort": web,
            "AuthenticationEnabled": False,
            "DicomAet": "ARCHIVE",
            "DicomPort": dicom,
            "Plugins": [str(DICOM_WEB)],
        }
        file = Path(folder, "orthanc.json")
        file.write_text(json.dumps(settings))
        quiet = subprocess.DEVNULL
        with subprocess.Popen(leashed([ORTHANC, file]), stdout=quiet, stderr=quiet) as process:  # noqa: S603 - our own
            try:
                _wait_until_up(dicom, web)
                yield dicom, web
            finally:
                process.kill()


def _free_ports() -> tuple[int, int]:
    with socket.create_server((LOOPBACK, 0)) as one, socket.create_server((LOOPBACK, 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


def _wait_until_up(dicom: int, web: int) -> None:
    for _ in range(600):
        try:
            echo(_pacs(dicom, 1, "ARCHIVE"))
            look(StowDestination(url=f"http://{LOOPBACK}:{web}/dicom-web", plain=True))
        except PeerUnreachable:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("Orthanc did not come up")


def _pacs(port: int, n_associations: int, ae_title: str = "PACS") -> PacsDestination:
    return PacsDestination(host=LOOPBACK, port=port, ae_title=ae_title, plain=True, max_associations=n_associations)


def _call(address: PacsDestination) -> None:
    for _ in range(N_CALLS):
        echo(address)


def _store(files: Files, port: int, n_associations: int, ae_title: str = "PACS") -> None:
    stored: list[int] = []
    store(files, _pacs(port, n_associations, ae_title), lambda _instance, status: stored.append(status))
    assert stored == [0] * len(files)  # noqa: S101 - else it is no comparison


def _stow(files: Files, url: str, at_once: int, n_connections: int = 1) -> None:
    stored: list[int] = []
    archive = StowDestination(url=url, plain=True, instances_per_request=at_once, max_connections=n_connections)
    store_by_web(files, archive, lambda _instance, status: stored.append(status))
    assert stored == [0] * len(files)  # noqa: S101 - else it is no comparison
