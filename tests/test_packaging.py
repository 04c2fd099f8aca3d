"""A wheel carries what a checkout has, and the lock says exactly what runs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = dict(line.split("==") for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line)
WANTED = [*PROJECT["dependencies"], *(each for extra in PROJECT["optional-dependencies"].values() for each in extra)]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of the files in the wheel; it is built from a copy, since a build leaves traces in its source."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for folder in ("gateway", "alembic"):
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        out,
        source,
    ]
    subprocess.run(build, check=True, timeout=100)
    with zipfile.ZipFile(next(out.glob("*.whl"))) as archive:
        return set(archive.namelist())


def _files(folder: str, inside: str) -> set[str]:
    paths = [path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return {f"{inside}/{path.relative_to(ROOT / folder).as_posix()}" for path in paths}


def test_the_wheel_has_every_file_of_the_package(wheel: set[str]) -> None:
    assert _files("gateway", "gateway") - wheel == set()


def test_the_wheel_has_the_migrations_inside_the_package(wheel: set[str]) -> None:
    assert _files("alembic", "gateway/migrations") - wheel == set()
    assert "gateway/migrations/env.py" in wheel


def test_the_wheel_has_nothing_else(wheel: set[str]) -> None:
    assert {name.split("/")[0] for name in wheel} == {"gateway", f"mri_gateway-{PROJECT['version']}.dist-info"}


def test_the_version_stands_in_the_package_too() -> None:
    assert f'__version__ = "{PROJECT["version"]}"' in (ROOT / "gateway" / "__init__.py").read_text()


@pytest.mark.parametrize("wanted", WANTED)
def test_the_lock_satisfies_the_project(wanted: str) -> None:
    requirement = Requirement(wanted)
    locked = {canonicalize_name(name): version for name, version in LOCK.items()}
    assert locked[canonicalize_name(requirement.name)] in requirement.specifier


def test_the_lock_leaves_the_choice_of_gpu_to_torch() -> None:
    assert [name for name in LOCK if re.match("nvidia|cuda|triton|torchvision", name)] == []
    assert all("+" not in version for version in LOCK.values())
