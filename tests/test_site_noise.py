"""Noise scans that the site keeps as files serve scans of the same coils, and no others."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gateway.model.header import ScanHeader
from gateway.model.readout import Flag, Readouts
from gateway.model.zyx import Zyx
from gateway.mrd.header import write_header
from gateway.mrd.stream import RecordedSession, write_session
from gateway.recon.noise import whiten
from gateway.recon.phantom import PhantomScan, head_phantom
from gateway.site_noise import site_noise

EMPTY = PhantomScan(n_slices=1, n_coils=3, matrix=Zyx(z=1, y=64, x=64), anatomy=(), noise=0.02, seed=1)


def _noise_scan(path: Path, names: tuple[str, ...] = ("loop 1", "loop 2", "loop 3")) -> tuple[Readouts, ScanHeader]:
    """Record a noise scan of coils of these names; the second is twice as loud as the others."""
    (run,), header = head_phantom(EMPTY)
    run.samples[:, 1] *= 2
    header = replace(header, system=replace(header.system, coil_names=dict(enumerate(names))))
    noise = run.heads.copy()
    noise["flags"] = Flag.IS_NOISE_MEASUREMENT.bit
    recorded = RecordedSession(
        header_xml=write_header(header), recipe_asked="", acquisition=(replace(run, heads=noise),)
    )
    path.write_bytes(b"".join(write_session(recorded)))
    return run, header


def test_the_noise_of_the_same_coils_whitens_a_scan_that_brings_none(tmp_path: Path) -> None:
    run, header = _noise_scan(tmp_path / "head.mrd")
    found = site_noise(tmp_path, header)
    assert found is not None
    white = whiten((run,), header, found)
    assert white.notes == ("Coils prewhitened by the noise measurement head.mrd.",)
    flat = white.acquisition[0].samples.transpose(1, 0, 2).reshape(3, -1)
    np.testing.assert_allclose(flat @ flat.conj().T / flat.shape[1], np.eye(3), atol=0.05)


def test_coils_of_other_names_or_without_names_get_none(tmp_path: Path) -> None:
    _, header = _noise_scan(tmp_path / "knee.mrd", ("knee 1", "knee 2", "knee 3"))
    assert site_noise(tmp_path, header) is not None
    head = replace(header, system=replace(header.system, coil_names={0: "loop 1", 1: "loop 2"}))
    assert site_noise(tmp_path, head) is None
    assert site_noise(tmp_path, replace(header, system=replace(header.system, coil_names={}))) is None
    assert site_noise(None, header) is None


def test_a_file_that_cannot_be_read_is_named_and_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.h5").write_text("not a scan")
    _, header = _noise_scan(tmp_path / "b.mrd")
    with caplog.at_level(logging.WARNING):
        found = site_noise(tmp_path, header)
    assert found is not None
    assert found.measurement_id == "b.mrd"
    assert [record.__dict__["file"] for record in caplog.records] == ["a.h5"]
