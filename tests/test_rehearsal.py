"""Rehearsals: expectations that hold, that fail, and that say something impossible; by function and by command."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gateway.cli import main
from gateway.model.errors import RoutesFault, WrongCall
from gateway.model.route import Routes
from gateway.rehearsal import hold_against
from gateway.routing.text import parse_routes
from tests.running import gateway

ROUTES = """
[recipes.fft]
method = "fft"

[destinations.brains]
kind = "folder"
path = "brains"

[[rules]]
name = "strong brains"
match = { protocol = "*brain*", field_strength_t = { at_least = 2.5 } }
recipe = "fft"
destinations = ["brains"]
"""
MET = {
    "strong.toml": """rule = "strong brains"
recipe = "fft"
destinations = ["brains"]
scan = { protocol = "Brain", field_strength_t = 3 }""",
    "weak.toml": """held = true
scan = { protocol = "Brain", field_strength_t = 1.5 }""",
}


@pytest.fixture
def routes() -> Routes:
    return parse_routes(ROUTES, source="routes.toml")


def write(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def test_expectations_that_are_met_have_nothing_to_say(tmp_path: Path, routes: Routes) -> None:
    assert hold_against(write(tmp_path, MET), routes) == {"strong.toml": [], "weak.toml": []}


@pytest.mark.parametrize(
    ("text", "points"),
    [
        (
            'rule = "other"\nscan = { protocol = "Brain", field_strength_t = 3 }',
            ["rule is 'strong brains', expected 'other'"],
        ),
        (
            'held = true\nscan = { protocol = "Brain", field_strength_t = 3 }',
            ["rule 'strong brains' takes it, expected it to be held"],
        ),
        (
            'destinations = []\nscan = { protocol = "Brain", field_strength_t = 7 }',
            ["destinations is ('brains',), expected ()"],
        ),
        (
            'rule = "strong brains"\nscan = { protocol = "Brain" }',
            ["no rule matches; rule 'strong brains': field_strength_t (not known) does not fit at least 2.5"],
        ),
    ],
)
def test_what_is_not_met_is_told(tmp_path: Path, routes: Routes, text: str, points: list[str]) -> None:
    assert hold_against(write(tmp_path, {"one.toml": text}), routes) == {"one.toml": points}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("rule =", "line 1"),
        ('rules = "x"\n[scan]\n', "line 1: rules: unknown key; did you mean 'rule'"),
        ('[scan]\nprotocl = "x"', "line 2: scan.protocl"),
    ],
)
def test_an_impossible_expectation_is_a_fault(tmp_path: Path, routes: Routes, text: str, fault: str) -> None:
    with pytest.raises(RoutesFault, match=fault):
        hold_against(write(tmp_path, {"one.toml": text}), routes)


def test_a_folder_without_expectations_is_no_success(tmp_path: Path, routes: Routes) -> None:
    with pytest.raises(WrongCall, match="no expectations"):
        hold_against(tmp_path, routes)


def test_an_administrator_checks_tries_applies_and_goes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Most of it in this process: an interpreter for each command would take long."""
    config = tmp_path / "gateway.toml"
    config.write_text('[routes]\nfile = "routes.toml"\n')
    file = tmp_path / "routes.toml"
    file.write_text(ROUTES)

    def steer(*call: str | Path, code: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["gateway", "routes", *map(str, call), "--config", str(config)])
        with pytest.raises(SystemExit) as end:
            main()
        told = "".join(capsys.readouterr())
        assert end.value.code == code, told
        return " ".join(told.split())

    assert "rules: 1, recipes: 1, destinations: 1; all well" in steer("check")
    assert "2 of 2 expectations are met" in steer("test", write(tmp_path / "expected", MET))
    assert steer("apply", "--comment", "first") == "version 1 is in force"
    file.write_text(ROUTES.replace('"*brain*"', '"*head*"'))
    assert "0 of 1" in steer("test", write(tmp_path / "two", {"s.toml": MET["strong.toml"]}), "--file", file, code=1)
    assert "1 of 1" in steer("test", tmp_path / "two")
    assert steer("apply") == "version 2 is in force"
    file.write_text("[rules]")
    assert "line 1" in steer("apply", code=2)
    assert '-match = { protocol = "*brain*"' in steer("diff", "1")
    assert steer("rollback", "1", "--comment", "wrong") == "version 3 is in force"
    assert "back to version 1: wrong" in steer("history")
    assert gateway("routes", "export", "--config", config).stdout == ROUTES
    assert gateway("audit", "verify", "--config", config).stdout.startswith("3 lines, all as they were written")


def test_a_scan_in_a_file_is_explained(tmp_path: Path, shared_data: Path) -> None:
    scan = min(shared_data.rglob("*.h5"), key=lambda path: path.stat().st_size)
    file = tmp_path / "routes.toml"
    file.write_text(ROUTES)
    done = gateway("routes", "explain", scan, "--file", file, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "strong brains" in done.stdout
    assert "the scan would be held: no rule matches" in done.stdout
