"""The peers themselves: a test that leans on one must be able to trust it."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from tests.peers import PROGRAMS, Orthanc, Program, need


def _echo(pacs: Orthanc, called: str) -> int:
    echoscu = PROGRAMS["echoscu"].path
    return subprocess.run(
        [echoscu, "-aec", called, pacs.host, str(pacs.dicom_port)], check=False, capture_output=True
    ).returncode


@pytest.mark.peer("echoscu")
def test_orthanc_answers_to_its_own_name_only(orthanc: Orthanc) -> None:
    assert _echo(orthanc, orthanc.ae_title) == 0
    assert _echo(orthanc, "STRANGER") != 0


def test_orthanc_starts_empty_and_speaks_rest(orthanc: Orthanc) -> None:
    assert orthanc.get("/instances") == []


@pytest.mark.parametrize(
    ("required", "outcome"), [(False, pytest.skip.Exception), (True, pytest.fail.Exception)], ids=["skip", "fail"]
)
def test_a_missing_program_is_named_with_its_package(required: bool, outcome: type[BaseException]) -> None:
    ghost = {"ghost": Program(Path("/nowhere/ghost"), "ghost-tools")}
    with pytest.raises(outcome, match=r"/nowhere/ghost \(Debian package ghost-tools\)"):
        need("/nowhere/ghost", programs=ghost, required=required)


def test_tests_run_far_from_utc() -> None:
    assert time.timezone == -(5 * 3600 + 45 * 60)
