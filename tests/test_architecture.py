"""The contracts of pyproject.toml hold the layers, and every one of them can fail."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = ROOT / "pyproject.toml"
CONTRACTS = [contract["name"] for contract in tomllib.loads(PYPROJECT.read_text())["tool"]["importlinter"]["contracts"]]
STUBS = [
    *(
        "__main__",
        "cli",
        "cli_pacs",
        "cli_charts",
        "cli_steering",
        "cli_research",
        "cli_work",
        "cli_study",
        "demo",
        "operations",
        "checkup",
        "app",
        "telling",
        "serving",
        "stations",
        "web/page",
        "api/work",
        "schedule",
        "supervisor",
        "offline",
        "pictures",
        "evaluation/metrics",
        "training/fit",
        "adoption",
        "rehearsal",
        "doctor/machine",
        "show",
        "show_routes",
        "logs",
        "options",
    ),
    *(
        "intake",
        "respond",
        "recovery",
        "retention",
        "watch",
        "ahead",
        "process",
        "identify",
        "deidentify",
        "export",
        "blinding",
        "reconstruction",
        "studies",
        "follow",
        "gate",
        "exhibition",
        "site_noise",
        "guidance",
        "deliver",
        "steering",
        "settings",
        "control",
        "inquiry",
        "site",
    ),
    *("notifier", "notify/mail", "oidc/provider", "auditing", "atna/message"),
    *("answer", "confirm"),
    *(
        "mrd/parser",
        "spool/spool",
        "jobs/store",
        "routing/choose",
        "reading/order",
        "recon/fft",
        "quality/verdict",
        "dicom/series",
    ),
    "zoo/zoo",
    *("model/job", "whole"),
]
"""The smallest tree that the contracts can be read against: modules, and packages with one module each."""

VIOLATIONS = [
    ("jobs/store", "import gateway.app", "No arrow goes up or sideways"),
    ("mrd/parser", "import gateway.spool.spool", "No arrow goes up or sideways"),
    ("intake", "import gateway.process", "No arrow goes up or sideways"),
    ("model/job", "import gateway.jobs", "No arrow goes up or sideways"),
    ("newcomer", "", "No arrow goes up or sideways"),
    ("dicom/series", "import gateway.settings", "Only app and cli know the settings"),
    ("web/page", "import gateway.settings", "Only app and cli know the settings"),
    ("process", "import torch", "Torch lives in recon and training"),
    ("quality/verdict", "from torch.nn import functional", "Torch lives in recon and training"),
    ("deliver", "import gateway.recon.fft", "Listener, page and deliverer never load torch"),
    ("recon/fft", "import torchvision", "Torchvision is imported by nobody"),
    ("web/page", "import sqlalchemy", "SQL lives in jobs"),
    ("spool/spool", "import sqlite3", "SQL lives in jobs"),
    ("recon/fft", "from pydicom import Dataset", "DICOM objects live in dicom"),
    ("model/job", "import socket", "The words and the mathematics know no network"),
    ("web/page", "import gateway.mrd.parser", "The page shows; it neither reconstructs nor receives"),
    ("app", "from apscheduler.schedulers import background", "Only schedule knows APScheduler"),
]


def _write(root: Path, module: str, line: str) -> None:
    path = root / "gateway" / f"{module}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / "__init__.py").touch()
    path.write_text(f'"""A stub."""\n{line}\n')


@pytest.fixture
def skeleton(tmp_path: Path) -> Path:
    """A clean tree under the real contracts: recon has torch, jobs has SQL, schedule has APScheduler."""
    lines = {
        "recon/fft": "import torch",
        "jobs/store": "import sqlalchemy",
        "schedule": "import apscheduler.schedulers",
    }
    for module in STUBS:
        _write(tmp_path, module, lines.get(module, ""))
    (tmp_path / "pyproject.toml").write_text(PYPROJECT.read_text())
    return tmp_path


def _broken(root: Path) -> list[str]:
    """Run the linter there; the contracts that it calls broken."""
    linter = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run([linter, "--no-cache", "--no-logo"], cwd=root, capture_output=True, text=True, check=False)
    verdicts = dict(re.findall(r"^(.+) (KEPT|BROKEN)\b", run.stdout, re.MULTILINE))
    assert list(verdicts) == CONTRACTS, run.stdout + run.stderr
    return [contract for contract, verdict in verdicts.items() if verdict == "BROKEN"]


def test_a_clean_tree_breaks_nothing(skeleton: Path) -> None:
    assert _broken(skeleton) == []


@pytest.mark.parametrize(("module", "line", "contract"), VIOLATIONS)
def test_a_planted_violation_is_found(skeleton: Path, module: str, line: str, contract: str) -> None:
    _write(skeleton, module, line)
    assert contract in _broken(skeleton)


def test_every_contract_has_a_planted_violation() -> None:
    assert {contract for _, _, contract in VIOLATIONS} == set(CONTRACTS)
