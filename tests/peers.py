"""Real programs of others that the tests talk to: where Debian puts them, and how a PACS is started and stopped.

Knows nothing of the gateway. DCMTK is always called by its absolute path: pynetdicom puts tools of the same names, with
other options and other exit codes, first on the path of a virtual environment.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

LOOPBACK = "127.0.0.1"
START_S = 30
"""How long a peer may take to answer for the first time."""
POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Program:
    """A program and the Debian package it comes in."""

    path: Path
    package: str


PROGRAMS: Mapping[str, Program] = MappingProxyType(
    {
        program.path.name: program
        for program in (
            Program(Path("/usr/bin/bart"), "bart"),
            Program(Path("/usr/bin/chromium"), "chromium"),
            Program(Path("/usr/bin/dciodvfy"), "dicom3tools"),
            Program(Path("/usr/bin/dcentvfy"), "dicom3tools"),
            Program(Path("/usr/bin/dcm2niix"), "dcm2niix"),
            Program(Path("/usr/bin/dcmdjpls"), "dcmtk"),
            Program(Path("/usr/bin/dcmdrle"), "dcmtk"),
            Program(Path("/usr/bin/dcmdump"), "dcmtk"),
            Program(Path("/usr/bin/dcm2pnm"), "dcmtk"),
            Program(Path("/usr/bin/dcmqrscp"), "dcmtk"),
            Program(Path("/usr/bin/echoscu"), "dcmtk"),
            Program(Path("/usr/bin/findscu"), "dcmtk"),
            Program(Path("/usr/bin/gdcmconv"), "libgdcm-tools"),
            Program(Path("/usr/bin/movescu"), "dcmtk"),
            Program(Path("/usr/bin/opj_decompress"), "libopenjp2-tools"),
            Program(Path("/usr/bin/openssl"), "openssl"),
            Program(Path("/usr/bin/promtool"), "prometheus"),
            Program(Path("/usr/sbin/rsyslogd"), "rsyslog"),
            Program(Path("/usr/lib/x86_64-linux-gnu/rsyslog/lmnsd_ossl.so"), "rsyslog-openssl"),
            Program(Path("/usr/bin/xmllint"), "libxml2-utils"),
            Program(Path("/usr/bin/storescp"), "dcmtk"),
            Program(Path("/usr/bin/storescu"), "dcmtk"),
            Program(Path("/usr/bin/wlmscpfs"), "dcmtk"),
            Program(Path("/usr/sbin/Orthanc"), "orthanc"),
            Program(Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so"), "orthanc-dicomweb"),
            Program(Path("/usr/share/orthanc/plugins/libOrthancWebViewer.so"), "orthanc-webviewer"),
            Program(Path("/usr/bin/ismrmrd_generate_cartesian_shepp_logan"), "ismrmrd-tools"),
            Program(Path("/usr/bin/strace"), "strace"),
            Program(Path("/usr/share/postgresql-common/pg_wrapper"), "postgresql"),
        )
    }
)
"""By file name. ``scripts/peers`` installs the packages; a test keeps the two lists equal."""


def need(*binaries: str, programs: Mapping[str, Program] = PROGRAMS, required: bool | None = None) -> None:
    """Skip the running test where a program is absent; fail it where GATEWAY_REQUIRE_PEERS=1 promises that it is there.

    A program is given by its name or its path.
    """
    wanted = [programs[Path(binary).name] for binary in binaries]
    absent = [f"{program.path} (Debian package {program.package})" for program in wanted if not program.path.exists()]
    if not absent:
        return
    message = f"not installed: {', '.join(absent)}"
    if os.environ.get("GATEWAY_REQUIRE_PEERS") == "1" if required is None else required:
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def free_port() -> int:
    """Find a TCP port on the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Orthanc:
    """A running Orthanc."""

    host: str
    dicom_port: int
    http_port: int
    ae_title: str

    @property
    def http_url(self) -> str:
        """Where its REST API begins, without a slash at the end."""
        return f"http://{self.host}:{self.http_port}"

    def get(self, path: str) -> Any:  # noqa: ANN401 - JSON of any shape
        """Ask the REST API: ``get("/instances")``."""
        with urllib.request.urlopen(self.http_url + path, timeout=START_S) as answer:
            return json.load(answer)

    def get_bytes(self, path: str) -> bytes:
        """Ask for a file: ``get_bytes("/instances/ID/file")``."""
        with urllib.request.urlopen(self.http_url + path, timeout=START_S) as answer:
            content: bytes = answer.read()
            return content


@contextmanager
def running_orthanc(
    folder: Path, ae_title: str = "TESTPACS", settings: Mapping[str, object] = MappingProxyType({})
) -> Iterator[Orthanc]:
    """Start Orthanc on free ports with everything it writes in the folder; stop it at the end."""
    pacs = Orthanc(host=LOOPBACK, dicom_port=free_port(), http_port=free_port(), ae_title=ae_title)
    file = folder / "orthanc.json"
    file.write_text(json.dumps({**_orthanc_settings(pacs, folder), **settings}))
    log = folder / "orthanc.log"
    with log.open("wb") as sink:
        process = subprocess.Popen([PROGRAMS["Orthanc"].path, file], cwd=folder, stdout=sink, stderr=sink)
        try:
            _wait_until_up(pacs, process, log)
            yield pacs
        finally:
            process.kill()  # an orderly end takes seconds, and nothing of it is needed afterwards
            process.wait()


def _orthanc_settings(pacs: Orthanc, folder: Path) -> dict[str, object]:
    plugins = (PROGRAMS[name].path for name in ("libOrthancDicomWeb.so", "libOrthancWebViewer.so"))
    return {
        "Name": pacs.ae_title,
        "StorageDirectory": str(folder / "db"),
        "IndexDirectory": str(folder / "db"),
        "HttpPort": pacs.http_port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomAet": pacs.ae_title,
        "DicomPort": pacs.dicom_port,
        "DicomCheckCalledAet": True,
        "DicomAlwaysAllowFind": True,
        "DefaultEncoding": "Utf8",
        "OverwriteInstances": False,
        "Plugins": [str(plugin) for plugin in plugins if plugin.exists()],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }


def _wait_until_up(pacs: Orthanc, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while not (_listens(pacs.dicom_port) and _answers(pacs)):
        if _ended_within(process, POLL_S) or time.monotonic() > deadline:
            text = log.read_text(errors="replace")
            raise RuntimeError(f"Orthanc did not come up:\n{text}")


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0


def _answers(pacs: Orthanc) -> bool:
    try:
        pacs.get("/system")
    except urllib.error.URLError:
        return False
    return True


def _ended_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True
