"""Sending 500 instances of 320 x 320 (103 MB) by C-STORE, with ours and with DCMTK's storescu, to DCMTK's storescp."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks.building import header_and_plan, volume
from benchmarks.leash import leashed
from benchmarks.registry import Peers, benchmark
from gateway.dicom.series import build_series, write_series
from gateway.dicom.store import echo, store
from gateway.model.destinations import PacsDestination
from gateway.model.errors import PeerUnreachable
from gateway.model.series import Instance

LOOPBACK = "127.0.0.1"
STORESCP, STORESCU, PORT = "/usr/bin/storescp", "/usr/bin/storescu", 11_119
NAGLE_OFF: Mapping[str, str] = {"TCP_NODELAY": "1"}
NAGLE_ON: Mapping[str, str] = {"TCP_NODELAY": "0"}


@benchmark
def sending() -> Iterator[Peers]:
    """Send 500 instances, one and four associations at a time; the peer keeps nothing and has Nagle off."""
    yield from _beside_storescu(500, NAGLE_OFF)


@benchmark
def sending_nagle() -> Iterator[Peers]:
    """Send 100 instances to a peer with Nagle's algorithm on, as Debian's is."""
    yield from _beside_storescu(100, NAGLE_ON)


def _beside_storescu(n_instances: int, environment: Mapping[str, str]) -> Iterator[Peers]:
    if not Path(STORESCP).exists():
        return
    with tempfile.TemporaryDirectory() as folder, _storescp(environment):
        series = write_series(build_series(volume(n_instances), *header_and_plan()), Path(folder), lambda *_: None)
        files = [(instance, Path(folder, instance.path)) for instance in series.instances]
        yield {
            "gateway": lambda: _send(files, 1),
            "gateway, 4 associations": lambda: _send(files, 4),
            "storescu": lambda: _storescu(Path(folder, series.series_instance_uid), environment),
        }


@contextmanager
def _storescp(environment: Mapping[str, str]) -> Iterator[None]:
    command = leashed([STORESCP, "--fork", "--ignore", str(PORT)])
    with subprocess.Popen(command, env=os.environ | environment) as process:  # noqa: S603 - our own
        try:
            _wait_for(PORT)
            yield
        finally:
            process.kill()


def _wait_for(port: int) -> None:
    for _ in range(100):
        try:
            echo(_pacs(port, 1))
        except PeerUnreachable:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("storescp did not come up")


def _pacs(port: int, n_associations: int) -> PacsDestination:
    return PacsDestination(host=LOOPBACK, port=port, ae_title="PACS", plain=True, max_associations=n_associations)


def _send(files: list[tuple[Instance, Path]], n_associations: int) -> None:
    stored: list[int] = []
    store(files, _pacs(PORT, n_associations), lambda _instance, status: stored.append(status))
    np.testing.assert_array_equal(stored, np.zeros(len(files)))


def _storescu(folder: Path, environment: Mapping[str, str]) -> None:
    command = [STORESCU, "+sd", LOOPBACK, str(PORT), str(folder)]
    subprocess.run(command, check=True, env=os.environ | environment)  # noqa: S603 - our own
