"""`gateway listen` alone: takes scans in, keeps its duties, and tells people, with workers elsewhere."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import tomlkit

from gateway.jobs.audit import AuditTrail
from gateway.jobs.clock import utc_now
from gateway.jobs.database import open_database
from gateway.jobs.lease import Terms
from gateway.jobs.reconstructions import JobQueue
from gateway.model.zyx import Zyx
from gateway.mrd.client import send_session
from gateway.mrd.files import stream_of
from gateway.recon.phantom import PhantomScan
from tests import peers
from tests.notify.receivers import taking
from tests.recordings import put_phantom
from tests.running import PATIENCE_S, configured, wait_a_moment

TINY = PhantomScan(n_slices=1, n_coils=1, matrix=Zyx(z=1, y=16, x=16))


def test_a_gateway_that_only_listens_tells_people_and_is_on_the_record(tmp_path: Path) -> None:
    config = configured(tmp_path / "site", {"shelf": {"kind": "folder", "path": "series"}})
    settings = tomlkit.parse(config.read_text())
    with taking() as hook:
        url = f"http://{peers.LOOPBACK}:{hook.server_port}/"
        settings["webhook"] = {
            "url": url,
            "allowed_hosts": [peers.LOOPBACK],
            "secret": "0123456789abcdef",
            "digest_s": 0.1,
        }
        config.write_text(tomlkit.dumps(settings))
        port = int(settings["listener"]["port"])
        command = [sys.executable, "-m", "gateway", "listen", "--config", str(config)]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL, text=True) as process:
            wait_until(lambda: _listens(port), process)
            _, stream = stream_of(put_phantom(tmp_path / "scan.mrd", TINY), "")
            send_session(list(stream), peers.LOOPBACK, port, on_sent=lambda _n: None)
            engine = open_database(f"sqlite:///{config.parent}/gateway-data/gateway.db")
            jobs = JobQueue(engine, utc_now, Terms())
            claimed = jobs.claim("a worker on another machine")
            assert claimed is not None
            jobs.fail(claimed.lease, "the GPU is on fire")
            wait_until(lambda: bool(hook.got), process)
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE_S) == 0
        told = json.loads(hook.got[0][1])["data"]["notices"]
    assert [(one["kind"], one["job"]) for one in told] == [("failed", claimed.job)]
    lines = [(line.deed.what, line.deed.text.partition(",")[0]) for line in AuditTrail(engine, utc_now).newest(9)]
    assert lines == [("gateway stopped", "listener"), ("gateway started", "listener")]


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((peers.LOOPBACK, port)) == 0


def wait_until(true: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline
        wait_a_moment(process)
