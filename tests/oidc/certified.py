"""A real identity provider: oidc-provider, which the OpenID Foundation has certified, as a process of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.oidc.provider import CLIENT, SECRET
from tests.peers import LOOPBACK, free_port

LIBRARY = Path(__file__).resolve().parents[2] / ".identity" / "node_modules" / "oidc-provider" / "lib" / "index.js"
"""``scripts/identity`` fetches it."""

SERVER = Path(__file__).with_name("certified.mjs")


def need_provider() -> str:
    """Find node; skip where it or the provider is absent, as for any other peer."""
    node = shutil.which("node")
    if node is not None and LIBRARY.exists():
        return node
    message = "not there: oidc-provider (scripts/identity fetches it)"
    if os.environ.get("GATEWAY_REQUIRE_PEERS") == "1":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


@contextmanager
def certified_provider(page: str) -> Iterator[str]:
    """Run it for a page; gives its issuer."""
    node, issuer = need_provider(), f"http://{LOOPBACK}:{free_port()}"
    command = [node, str(SERVER), str(LIBRARY), issuer, CLIENT, SECRET, page]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            assert "ready" in iter(lambda: process.stdout.readline().strip() or "ended", "ended")  # type: ignore[union-attr]
            yield issuer
        finally:
            process.kill()
