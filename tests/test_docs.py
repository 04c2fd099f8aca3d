"""Pages that cannot rot: what they promise is there, and what is there is on them."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.peers import PROGRAMS

ROOT = Path(__file__).resolve().parents[1]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/**/*.md"), *ROOT.glob("benchmarks/*.md")]
README = (ROOT / "README.md").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RUNTIME = {canonicalize_name(Requirement(each).name) for each in PROJECT["dependencies"]}
OIDC = {canonicalize_name(Requirement(each).name) for each in PROJECT["optional-dependencies"]["oidc"]}
"""Imported where an identity provider is set, and explained in a sentence of its own."""
APART = {"flwr"}
"""Imported by one module that nothing imports, and installed in an environment of its own (docs/adr/0033)."""


def test_every_dependency_is_explained_and_nothing_else() -> None:
    rows = re.findall(r"^\| ([\w-]+) \|", (ROOT / "docs" / "dependencies.md").read_text(), re.MULTILINE)
    assert {canonicalize_name(row) for row in rows} - {"package"} == RUNTIME


def _imports(path: Path) -> set[str]:
    """The top-level modules that a file imports from outside."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name.split(".")[0] for name in names} - {"gateway"} - sys.stdlib_module_names


def test_every_dependency_is_imported_and_every_import_is_a_dependency() -> None:
    files = [*(ROOT / "gateway").rglob("*.py"), *(ROOT / "alembic").rglob("*.py")]
    owners = packages_distributions()
    imported = {canonicalize_name(owners.get(name, [name])[0]) for path in files for name in _imports(path)}
    # pydantic-core is pinned by pydantic, release by release
    assert imported - {"pydantic-core"} - APART == RUNTIME | OIDC


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_decisions_are_listed() -> None:
    pages = {page.name for page in (ROOT / "docs" / "adr").glob("[0-9]*.md")}
    assert set(re.findall(r"\]\((.+?\.md)\)", (ROOT / "docs" / "adr" / "README.md").read_text())) == pages


def test_the_make_targets_that_the_readme_shows_exist() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^make (\w+)", README, re.MULTILINE)) <= targets


def test_the_commands_that_the_readme_shows_exist() -> None:
    commands = set(re.findall(r"^#+ `gateway (.+)`$", (ROOT / "docs" / "cli.md").read_text(), re.MULTILINE))
    groups = {command.split()[0] for command in commands if " " in command}
    shown = re.findall(r"(?:^|`)gateway (\w+)(?: (\w+))?", README, re.MULTILINE)
    assert shown
    assert {f"{word} {after}" if word in groups else word for word, after in shown} <= commands


def test_the_readmes_test_command_is_what_ci_runs() -> None:
    shown = re.search(r"^make test\b", README, re.MULTILINE)
    assert shown
    assert re.search(rf"^GATEWAY_REQUIRE_PEERS=1 {shown[0]}\b", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)


def test_the_peers_that_are_installed_are_those_that_tests_know() -> None:
    installed = dict(re.findall(r"^(/\S+) (\S+)$", (ROOT / "scripts" / "peers").read_text(), re.MULTILINE))
    known = {str(program.path): program.package for program in PROGRAMS.values()}
    assert installed.items() <= known.items()
    assert set(installed.values()) == set(known.values())


@pytest.mark.parametrize("promise", ["private security advisory", "48 hours", "90 days", "Supported versions"])
def test_the_security_page_promises(promise: str) -> None:
    assert promise in (ROOT / "SECURITY.md").read_text()


def test_every_key_of_the_settings_has_a_meaning() -> None:
    rows = re.findall(r"^\| `.*$", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE)
    assert [row for row in rows if row.split("|")[4].strip() == ""] == []
