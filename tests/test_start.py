"""How commands start: one that neither reconstructs nor shows the page does without what those need; a person waits."""

from __future__ import annotations

import subprocess
import sys

DEAR = {"torch", "fastapi", "starlette", "scipy"}


def test_commands_load_neither_the_engine_nor_the_page_unless_they_use_them() -> None:
    told = "import gateway.cli, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert DEAR.isdisjoint(loaded.stdout.split())
