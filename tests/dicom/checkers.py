"""Checkers of others that DICOM objects must pass: dicom3tools, dicom-validator without a network, highdicom's tables.

Warnings are faults too, unless they stand in the table here with the reason.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VALIDATORS = ROOT / ".validators"
TOOLS = ROOT.parent / "shared" / "tools"
EDITION = "2020a"

ALLOWED_WARNINGS: Mapping[str, str] = {
    r"Laterality.*is only permitted to be empty when actually unknown": (
        "it is: a part of which there are two, or no part at all, and the header names no side"
    ),
    r"ApplicableSafetyStandardAgency.*Unrecognized defined term = <OTHER>": (
        "an Enhanced object must name an agency, and no header tells which one the scanner obeys"
    ),
    r"Diffusion(BValue|GradientOrientation).*not present in standard": (
        "MR Image has no place for the b-value; readers of classic objects look for it there all the same"
    ),
}
"""What dciodvfy may say, as regular expressions, and why it may."""


def complaints(program: str, *arguments: object) -> str:
    """Run a checker, and repeat its exit status and everything it has to say."""
    result = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)
    return f"{result.returncode}\n{result.stdout}{result.stderr}"


def dciodvfy(file: Path) -> list[str]:
    """Check one object; errors, and warnings that are not allowed."""
    status, iod, *lines = complaints("/usr/bin/dciodvfy", "-new", file).split("\n")
    assert status in {"0", "1"}
    assert iod in {"MRImage", "EnhancedMRImage"}
    return [line for line in lines if line and not any(re.search(allowed, line) for allowed in ALLOWED_WARNINGS)]


def dcentvfy(files: Iterable[Path]) -> list[str]:
    """Check that objects agree on patient, study, series and frame of reference."""
    _, *lines = complaints("/usr/bin/dcentvfy", *files).split("\n")
    return [line for line in lines if line]


def validate_iods(files: Sequence[Path]) -> str:
    """Check objects against PS3.3, in a name space that has no network; nothing is said where all is well."""
    spec = _specification()
    command = ["/usr/bin/unshare", "-rn", VALIDATORS / "bin" / "validate_iods", "--standard-path", spec]
    said = complaints(*map(str, command), "--edition", EDITION, *files)
    return "" if said.startswith("0\n") and said.count("SOP class is") == len(files) else said


def highdicom_tables(files: Sequence[Path]) -> tuple[bool, set[str]]:
    """Check that what is mandatory is there; and list what is outside of the IOD."""
    _need_tools()
    said = complaints(str(VALIDATORS / "bin" / "python"), TOOLS / "hd_check.py", *files)
    outside = re.findall(r"attributes outside the IOD \(standard extended\): \[(.*)\]", said)
    assert len(outside) == len(files), said
    return said.startswith("0\n"), {name.strip("' ") for row in outside for name in row.split(",") if name}


def _need_tools() -> None:
    if not TOOLS.exists():
        pytest.skip(f"absent: {TOOLS}, which makes the tables of dicom-validator")
    if not (VALIDATORS / ".ready").exists():
        fail = os.environ.get("GATEWAY_REQUIRE_PEERS") == "1"
        (pytest.fail if fail else pytest.skip)("absent: .validators (scripts/validators makes it)")


def _specification() -> Path:
    """Convert the tables of PS3.3 that PyPI has into those that dicom-validator reads; once, as it takes seconds."""
    _need_tools()
    spec = VALIDATORS / "spec"
    if not (spec / "editions.json").exists():
        tables = VALIDATORS / "standard"
        python, builder = VALIDATORS / "bin" / "python", TOOLS / "build_validator_spec.py"
        subprocess.run([python, builder, tables, spec, EDITION, "mr-image,enhanced-mr-image"], check=True)
    return spec
