"""A gateway that is stopped while it reconstructs: the job begins anew at the next start, and has not crashed."""

from __future__ import annotations

from pathlib import Path

import tomlkit

from gateway.mrd.header import write_header
from gateway.mrd.stream import RecordedSession, write_session
from gateway.recon.phantom import PhantomScan, head_phantom
from tests.running import configured, running


def test_a_job_that_is_killed_at_shutdown_has_not_crashed_and_begins_anew(tmp_path: Path) -> None:
    acquisition, header = head_phantom(PhantomScan(n_slices=3))
    scan = RecordedSession(header_xml=write_header(header), recipe_asked="", acquisition=acquisition)
    (tmp_path / "scan.mrd").write_bytes(b"".join(write_session(scan)))
    folder = {"folder": {"kind": "folder", "path": "series"}}
    config = configured(tmp_path / "site", folder, grace_s=0.1, max_crashes=1)  # one crash would put the job aside
    routes = tomlkit.parse((config.parent / "routes.toml").read_text())
    routes["recipes"]["fft"] = {"method": "l1-wavelet", "steps": 1000, "tolerance": 0.0}  # for minutes
    (config.parent / "routes.toml").write_text(tomlkit.dumps(routes))

    with running(config) as site:
        assert site.send(tmp_path / "scan.mrd").returncode == 0
        site.wait_until(lambda: site.queries.job(1).progress > 0)
    (job,) = site.queries.jobs()
    assert (job.state, job.reason) == ("QUEUED", "the gateway was stopped while it ran")
    with running(config) as site:
        site.wait_until(lambda: site.queries.job(1).attempt == 2)
    assert site.queries.job(1).state == "QUEUED"
